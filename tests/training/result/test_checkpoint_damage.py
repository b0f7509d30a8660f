"""A damaged checkpoint is named, and the one before it is used."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import pytest
import torch

from deepsynth_tui.training.result.checkpoint_checksums import CHECKSUMS, write_checksums
from deepsynth_tui.training.result.checkpoint_damage import why_damaged
from deepsynth_tui.training.result.checkpoint_record import RECORD
from deepsynth_tui.training.result.checkpoints import newest_complete, why_incomplete
from tests.training.result.checkpoint_files import write_checkpoint, write_whole_checkpoint

FILES = (
    "adapter_model.safetensors",
    "adapter_config.json",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    RECORD,
    CHECKSUMS,
)
BLOCK = 4096


class Malicious:
    def __reduce__(self):
        return os.system, ("false",)


def overwrite_with_zeros(path: Path) -> None:
    """Zero a block in the middle, as a power cut or a bad disk does."""
    with path.open("r+b") as file:
        start = max(0, path.stat().st_size // 2 - BLOCK // 2)
        file.seek(start)
        file.write(bytes(min(BLOCK, path.stat().st_size - start)))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [overwrite_with_zeros, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_each_file_of_a_checkpoint(tmp_path: Path, name: str, damage) -> None:
    write_whole_checkpoint(tmp_path, 1)
    newer = write_whole_checkpoint(tmp_path, 2)
    assert newest_complete(tmp_path, why_damaged=why_damaged).step == 2
    damage(newer / name)
    newest = newest_complete(tmp_path, why_damaged=why_damaged)
    assert newest.step == 1
    ((path, problem),) = newest.incomplete
    assert path == newer
    if name != CHECKSUMS or damage is Path.unlink:
        assert name in problem or problem == "it has no weights"


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_states_of_an_earlier_version(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, 1)
    newer = write_checkpoint(tmp_path, 2)
    assert newest_complete(tmp_path, why_damaged=why_damaged).step == 2
    overwrite_with_zeros(newer / name)
    newest = newest_complete(tmp_path, why_damaged=why_damaged)
    assert newest.step == 1
    assert newest.incomplete[0][1].startswith(f"{name} is damaged")


def test_an_archive_of_an_earlier_version_whose_directory_is_damaged(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1) / "optimizer.pt"
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"\0\0\0\0"))
    assert why_damaged(path.parent) == "optimizer.pt is damaged"


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_that_runs_code(tmp_path: Path, name: str, zipped: bool) -> None:
    path = write_whole_checkpoint(tmp_path, 1)
    torch.save({"a": Malicious()}, path / name, _use_new_zipfile_serialization=zipped)
    write_checksums(path)
    problem = why_damaged(path)
    assert problem is not None
    assert problem.startswith(f"{name} ")
    assert "weights_only" not in problem
    assert f"{name} holds {os.system.__module__}.system" in problem


def test_a_pickle_that_is_none(tmp_path: Path) -> None:
    path = write_whole_checkpoint(tmp_path, 1)
    (path / "scaler.pt").write_bytes(pickle.dumps({"a": 1})[:-3])
    write_checksums(path)
    problem = why_damaged(path)
    assert problem is not None
    assert problem.startswith("scaler.pt is damaged")


def test_a_file_without_a_checksum(tmp_path: Path) -> None:
    path = write_whole_checkpoint(tmp_path, 1)
    (path / "notes.txt").write_text("a user's own")
    assert why_damaged(path) is None
    (path / "scaler.pt").write_bytes((path / "scheduler.pt").read_bytes())
    assert why_damaged(path) == f"{CHECKSUMS} has no line for scaler.pt"


def test_a_shortened_list_of_checksums(tmp_path: Path) -> None:
    path = write_whole_checkpoint(tmp_path, 1)
    lines = (path / CHECKSUMS).read_text().splitlines(keepends=True)
    (path / CHECKSUMS).write_text("".join(lines[1:]))
    assert why_damaged(path) == f"{CHECKSUMS} has no line for adapter_config.json"
    (path / CHECKSUMS).write_text("")
    assert why_damaged(path) == f"{CHECKSUMS} is damaged"


def test_checksums_of_an_interrupted_run_are_missing(tmp_path: Path) -> None:
    path = write_whole_checkpoint(tmp_path, 1)
    (path / CHECKSUMS).unlink()
    assert why_incomplete(path, 1) == f"{CHECKSUMS} is missing"


def test_coreutils_reads_them(tmp_path: Path) -> None:
    path = write_whole_checkpoint(tmp_path, 1)
    (path / "text_encoder").mkdir()
    (path / "text_encoder" / "x.json").write_text("{}")
    write_checksums(path)
    assert "text_encoder/x.json" in (path / CHECKSUMS).read_text()
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=path, check=True)
