"""Runs resume only from complete checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from deepsynth_tui.training.result.checkpoints import (
    newest_complete,
    rotate_checkpoints,
    why_incomplete,
)
from tests.training.result.checkpoint_files import write_checkpoint


def test_newest_by_number(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        write_checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-best").mkdir()
    newest = newest_complete(tmp_path)
    assert (newest.step, newest.incomplete) == (100, ())


def test_none(tmp_path: Path) -> None:
    assert newest_complete(tmp_path / "nothing").path is None


@pytest.mark.parametrize(
    "name",
    [
        "adapter_model.safetensors",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
    ],
)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, name: str, kept: float) -> None:
    write_checkpoint(tmp_path, 1)
    truncated = write_checkpoint(tmp_path, 2)
    content = (truncated / name).read_bytes()
    (truncated / name).write_bytes(content[: int(len(content) * kept)])

    newest = newest_complete(tmp_path)
    assert newest.step == 1
    assert [path for path, _ in newest.incomplete] == [truncated]
    assert name in newest.incomplete[0][1]


@pytest.mark.parametrize("other", [1, 3])
def test_the_state_of_another_step(tmp_path: Path, other: int) -> None:
    path = write_checkpoint(tmp_path, 2)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": other}))
    assert why_incomplete(path, 2) == f"trainer_state.json is of step {other}"


@pytest.mark.parametrize("content", ["[]", "{}", '{"global_step": "2"}', "[" * 100_000, "\0" * 99])
def test_a_state_that_is_none(tmp_path: Path, content: str) -> None:
    path = write_checkpoint(tmp_path, 2)
    (path / "trainer_state.json").write_text(content)
    assert "trainer_state.json" in (why_incomplete(path, 2) or "")


def test_the_state_of_a_long_run(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 2)
    history = [{"step": step, "loss": 0.123456789} for step in range(50_000)]
    (path / "trainer_state.json").write_text(json.dumps({"global_step": 2, "log_history": history}))
    assert why_incomplete(path, 2) is None


@pytest.mark.parametrize("header", [b"", b"[]", b"{}", b'{"a": 1}', b'{"a": {"data_offsets": []}}'])
def test_weights_with_another_header(tmp_path: Path, header: bytes) -> None:
    path = write_checkpoint(tmp_path, 2)
    content = len(header).to_bytes(8, "little") + header + b"x"
    (path / "adapter_model.safetensors").write_bytes(content)
    assert why_incomplete(path, 2) == "adapter_model.safetensors is missing or incomplete"


def test_a_missing_shard(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1)
    (path / "adapter_model.safetensors").rename(path / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert why_incomplete(path, 1) == "model-2.safetensors is missing or incomplete"


def test_the_random_state_of_the_only_rank_is_needed(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1, ())
    assert why_incomplete(path, 1) == "rng_state.pth is missing or incomplete"


def test_a_text_encoder_needs_its_projection_and_its_weights(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1)
    projection = path / "text_encoder" / "projection.safetensors"
    projection.parent.mkdir()
    missing = "text_encoder/projection.safetensors is missing or incomplete"
    assert why_incomplete(path, 1) == missing
    shutil.copy(path / "adapter_model.safetensors", projection)
    assert why_incomplete(path, 1) is None
    model = projection.parent / "model" / "model.safetensors"
    model.parent.mkdir()
    model.write_bytes(projection.read_bytes()[:-1])
    assert why_incomplete(path, 1) == "model.safetensors is missing or incomplete"


def test_each_rank_must_have_saved_its_random_state(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, ("rng_state_0.pth", "rng_state_1.pth"))
    write_checkpoint(tmp_path, 2, ("rng_state_0.pth",))
    newest = newest_complete(tmp_path, 2)
    assert newest.step == 1
    assert "rng_state_1.pth is missing" in newest.incomplete[0][1]


@pytest.mark.parametrize(
    ("steps", "written", "keep", "best", "left"),
    [
        ((3, 6, 9), 9, 2, None, {6, 9}),
        ((3, 6, 9), 9, 5, None, {3, 6, 9}),
        ((3, 6, 9, 100), 100, 1, None, {100}),
        ((3, 6, 9), 9, 1, 3, {3, 9}),
        ((3, 6, 9), 9, 2, 3, {3, 9}),
        ((3, 6, 9), 9, 1, 9, {9}),
        # Resumed from 3: checkpoints of later steps were incomplete and are deleted first.
        ((3, 4, 6, 8), 4, 2, None, {3, 4}),
        ((3, 4, 8), 4, 1, 3, {3, 4}),
    ],
)
def test_rotation_keeps_the_newest_and_the_best(
    tmp_path: Path, steps: tuple[int, ...], written: int, keep: int, best: int | None, left: set
) -> None:
    for step in steps:
        (tmp_path / f"checkpoint-{step}").mkdir()
    rotate_checkpoints(
        tmp_path / f"checkpoint-{written}",
        keep=keep,
        best=tmp_path / f"checkpoint-{best}" if best else None,
    )
    assert {int(path.name.partition("-")[2]) for path in tmp_path.iterdir()} == left
