"""A disk that is full and a folder that may not be written: a clean end, and going on after it."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write

MEGABYTE = 1 << 20
# Even root may then not write where the rights of a file say so.
WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={2 * MEGABYTE}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def settings(tmp_path: Path) -> DatasetConfig:
    """Some four megabytes of pages, of which two shards at a time fit half of the small disk."""
    source = write(tmp_path / "a.jsonl", numbered(60, "Document {}. " + "word " * 60))
    page = {"width": 900, "height": 900, "font_size": 60, "margin": 8}
    return config(source, page=page, output={"shard_size": 5})


def attempt(
    settings: DatasetConfig, folder: Path, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Make a dataset in another process, and say as a job would why it cannot be made."""
    argv = [*before, sys.executable, "-m", "tests.dataset.writing.attempt"]
    argv += [settings.model_dump_json(), str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_full_disk(tmp_path: Path, small_disk: Path, settings: DatasetConfig, num_proc: int):
    settings = settings.model_copy(update={"num_proc": num_proc})
    folder = small_disk / "out"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MEGABYTE))
    said = attempt(settings, folder)
    assert said.returncode == 1
    assert said.stdout.splitlines()[:2] == ["NotEnoughSpace", "the disk is full"]
    assert str(folder) in said.stdout
    shards = small_disk / "out.partial" / SHARDS
    assert list(shards.glob("*.json"))
    assert not list(shards.glob(".*"))

    ballast.unlink()
    subprocess.run(["mount", "-o", f"remount,size={128 * MEGABYTE}", str(small_disk)], check=True)
    listener = Recorder()
    assert generate(settings, folder, listener) == "completed"
    assert listener.done[0][0] >= 5
    generate(settings, tmp_path / "whole", Recorder())
    assert files(folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_file_that_may_not_grow(tmp_path: Path, settings: DatasetConfig, num_proc: int):
    settings = settings.model_copy(update={"num_proc": num_proc})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
    try:
        said = attempt(settings, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said.returncode == 1
    assert "a file would be larger than this system lets it be" in said.stdout
    assert not list((tmp_path / "out.partial" / SHARDS).iterdir())
    assert generate(settings, tmp_path / "out", Recorder()) == "completed"


@pytest.mark.parametrize("place", ["", "out.partial", f"out.partial/{SHARDS}"])
def test_a_folder_that_may_not_be_written(tmp_path: Path, settings: DatasetConfig, place: str):
    before = WITHOUT_PRIVILEGES if os.geteuid() == 0 else ()
    if before and shutil.which(before[0]) is None:
        pytest.skip(f"there is no {before[0]} here to give up root's privileges with")
    inside = tmp_path / "inside"
    inside.mkdir()
    listener = Recorder(stop="stop", stop_after=25)
    generate(settings, inside / "out", listener)
    if not place:
        (inside / "out.partial").rename(inside / "elsewhere.partial")
    (inside / place).chmod(0o555)
    said = attempt(settings, inside / "out", before)
    (inside / place).chmod(0o755)
    assert said.returncode == 1, said.stdout + said.stderr
    assert said.stdout.startswith("PermissionError\n")
    assert "Permission denied" in said.stdout
    assert str(inside) in said.stdout
    assert generate(settings, inside / "out", Recorder()) == "completed"
