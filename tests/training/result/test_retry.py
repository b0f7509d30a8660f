"""A run that ran out of memory continues in a new run from its last checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.config import yaml_text
from deepsynth_tui.estimate.fixes import Fix
from deepsynth_tui.runs.directory import RunDirectory, create_run, read_identity
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.heartbeat import Heartbeat
from deepsynth_tui.runs.job import Job
from deepsynth_tui.training.estimate_record import RunEstimate
from deepsynth_tui.training.result.checkpoint_checksums import read_checksums
from deepsynth_tui.training.result.checkpoint_damage import why_damaged
from deepsynth_tui.training.result.checkpoint_record import read_record
from deepsynth_tui.training.result.checkpoints import newest_complete
from deepsynth_tui.training.result.copy_checkpoint import copy_checkpoint
from deepsynth_tui.training.result.disk_space import DiskSpace
from deepsynth_tui.workflows import follow, retry
from tests.training.conftest import Ran, Run, configuration
from tests.training.failures.test_advice import FULL
from tests.training.result.checkpoint_files import write_checkpoint, write_whole_checkpoint

SMALLER = {
    "training.per_device_train_batch_size": 1,
    "training.gradient_accumulation_steps": 2,
}
SETTINGS: dict[str, Any] = {
    "lora__lora_dropout": 0.0,
    "training__max_steps": 7,  # an epoch is five steps
    "training__save_steps": 3,
}


def full_at(step: int) -> Callable[[Job], None]:
    """Raise an out-of-memory error once that step is reported."""

    def during(job: Job) -> None:
        if f'"step":{step},' in job.run.events.read_text().splitlines()[-1]:
            raise torch.OutOfMemoryError(FULL)

    return during


@pytest.fixture
def fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that smaller batches fit the GPU; `estimate/test_fixes.py` tests the search."""
    fix = Fix(SMALLER, "1 row at once", "the result stays the same", 2**28, 0, None)
    monkeypatch.setattr(RunEstimate, "cheapest_fix", lambda self: fix)


@pytest.mark.slow
@pytest.mark.usefixtures("fix")
def test_out_of_memory_is_explained_and_retried_from_the_checkpoint(home: Path, run: Run) -> None:
    whole = run(**SETTINGS)
    failed = run(**SETTINGS, during=full_at(5))
    error = failed.of("error")[-1].data
    assert error["changes"] == SMALLER
    assert "1.2 GiB more were requested, and 0.5 GiB of 15.8 GiB were free" in error["message"]
    before = {path: path.read_bytes() for path in failed.run.path.rglob("*") if path.is_file()}

    plan = retry.plan(failed.run)
    assert plan.obstacle is None
    assert plan.changed == {
        "training.per_device_train_batch_size": (2, 1),
        "training.gradient_accumulation_steps": (1, 2),
    }
    again = Ran(retry.start(home, plan), 0)
    lines: list[str] = []
    assert follow.follow_until_end(again.run, lines.append) == 0, lines

    assert read_identity(again.run).continues == failed.run
    assert [event.data["step"] for event in again.of("phase") if "step" in event.data] == [3]
    assert [event.data["step"] for event in again.of("metric")] == [4, 5, 6, 7]
    # The same rows in the same order: the curve is that of the run that did not fail.
    assert again.losses == pytest.approx(whole.losses[3:], rel=1e-4)
    assert not again.of("warning")
    for path, content in before.items():
        assert path.read_bytes() == content


@pytest.mark.slow
@pytest.mark.usefixtures("fix")
def test_an_incompatible_checkpoint_is_a_warning(home: Path, run: Run) -> None:
    failed = run(**SETTINGS, during=full_at(5))
    plan = retry.plan(failed.run, ["lora.r=2"])
    assert plan.obstacle is not None
    new = create_run(
        home, kind="training", name="anew", config_text=plan.text, continues=failed.run
    )
    again = run(resume=new)
    assert again.verdict == "completed", again.failure
    warnings = [event.data["message"] for event in again.of("warning")]
    assert any("cannot be used: lora.r" in message for message in warnings)
    assert any("starting at step 0" in message for message in warnings)
    assert len(again.losses) == 7


@pytest.mark.slow
def test_adapters_continue_on_quantized_weights(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded = {"quantization.enabled": True}
    fix = Fix(rounded, "4-bit weights (QLoRA)", "rounded", 2**28, 0, None)
    monkeypatch.setattr(RunEstimate, "cheapest_fix", lambda self: fix)
    failed = run(**SETTINGS, during=full_at(5))
    plan = retry.plan(failed.run)
    new = create_run(home, kind="training", name="q", config_text=plan.text, continues=failed.run)
    again = run(resume=new)
    assert again.verdict == "completed", again.failure
    assert [event.data["step"] for event in again.of("metric")] == [4, 5, 6, 7]
    (warning,) = again.of("warning")
    message = "The first 3 steps were trained with quantization.enabled: false"
    assert warning.data["message"] == message


@pytest.fixture
def two(home: Path, values: dict[str, Any]) -> tuple[RunDirectory, RunDirectory]:
    """Return a run and another that continues it with a smaller page."""
    text = yaml_text.dump(configuration(values).model_dump())
    other = yaml_text.dump(configuration(values, model__max_pixels=4096).model_dump())
    first = create_run(home, kind="training", name="first", config_text=text)
    return first, create_run(
        home, kind="training", name="second", config_text=other, continues=first
    )


def copied(run: RunDirectory, values: dict[str, Any], *, own_step: int = 0) -> Ran:
    before = newest_complete(run.checkpoints).step
    with EventLog(run.events) as events:
        job = Job(run, events, Heartbeat(run))
        config = configuration(values, model__max_pixels=4096)
        is_copied = copy_checkpoint(job, config, DiskSpace(job, margin=0), 1, own_step)
    assert is_copied == (newest_complete(run.checkpoints).step > before)
    return Ran(run, 0)


def test_the_best_checkpoint_is_also_copied(
    two: tuple[RunDirectory, RunDirectory], values: dict[str, Any]
) -> None:
    first, second = two
    write_checkpoint(first.checkpoints, 2)
    write_checkpoint(first.checkpoints, 5, best=2)
    copied(second, values)

    names = sorted(path.name for path in second.checkpoints.iterdir())
    assert names == ["checkpoint-2", "checkpoint-5"]
    state = json.loads((second.checkpoints / "checkpoint-5" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(second.checkpoints / "checkpoint-2")
    # The job compares this with its own settings, and reports the difference.
    record = read_record(second.checkpoints / "checkpoint-5")
    assert record is not None
    assert record.config.model.max_pixels is None


def test_a_newer_checkpoint_of_the_run_is_not_replaced(
    two: tuple[RunDirectory, RunDirectory], values: dict[str, Any]
) -> None:
    first, second = two
    write_checkpoint(first.checkpoints, 5)
    write_checkpoint(second.checkpoints, 6)
    copied(second, values, own_step=6)
    assert [path.name for path in second.checkpoints.iterdir()] == ["checkpoint-6"]


def test_an_incomplete_checkpoint_is_skipped(
    two: tuple[RunDirectory, RunDirectory], values: dict[str, Any]
) -> None:
    first, second = two
    write_checkpoint(first.checkpoints, 5)
    (write_checkpoint(first.checkpoints, 7) / "optimizer.pt").write_bytes(b"half")
    ran = copied(second, values)
    assert [path.name for path in second.checkpoints.iterdir()] == ["checkpoint-5"]
    assert "checkpoint-7" in ran.of("warning")[0].data["message"]


def test_a_damaged_checkpoint_is_skipped_and_the_copy_keeps_its_checksums(
    two: tuple[RunDirectory, RunDirectory], values: dict[str, Any]
) -> None:
    first, second = two
    whole = write_whole_checkpoint(first.checkpoints, 5)
    damaged = write_whole_checkpoint(first.checkpoints, 7) / "adapter_model.safetensors"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-4096] + bytes(4096))
    ran = copied(second, values)
    message = f"checkpoint-7 of {first.id} is skipped: adapter_model.safetensors does not match"
    assert ran.of("warning")[0].data["message"].startswith(message)

    (copy,) = second.checkpoints.iterdir()
    assert copy.name == "checkpoint-5"
    assert why_damaged(copy) is None
    former, present = read_checksums(whole), read_checksums(copy)
    changed = {name for name, checksum in former.items() if present[name] != checksum}
    assert changed == {"trainer_state.json"}


def test_an_incompatible_checkpoint_is_not_copied(
    home: Path, values: dict[str, Any], two: tuple[RunDirectory, RunDirectory]
) -> None:
    first, second = two
    first.config.write_text(yaml_text.dump(configuration(values, lora__r=8).model_dump()))
    write_checkpoint(first.checkpoints, 5)
    message = copied(second, values).of("warning")[0].data["message"]
    assert message.startswith(f"The checkpoints of {first.id} cannot be used: ")
    assert not second.checkpoints.exists()


def test_a_run_that_continues_none_gets_no_checkpoint(
    two: tuple[RunDirectory, RunDirectory], values: dict[str, Any]
) -> None:
    first, _ = two
    assert not copied(first, values).of("warning")
    assert not first.checkpoints.exists()


def test_a_run_that_was_deleted_is_a_warning(
    two: tuple[RunDirectory, RunDirectory], values: dict[str, Any]
) -> None:
    first, second = two
    first.config.unlink()
    assert "was deleted" in copied(second, values).of("warning")[0].data["message"]


def test_runs_that_cannot_be_retried(two: tuple[RunDirectory, RunDirectory]) -> None:
    with Heartbeat(two[0]), pytest.raises(retry.CannotRetry, match="still running"):
        retry.plan(two[0])
    with pytest.raises(retry.CannotRetry, match="suggests no change"):
        retry.plan(two[0])


def test_a_retry_gets_its_own_output_dir(home: Path, values: dict[str, Any]) -> None:
    folder = home.parent / "mine"
    config = configuration(values, output__dir=str(folder))
    text = yaml_text.dump(config.model_dump())
    run = create_run(home, kind="training", name="small", config_text=text, at=folder)
    with EventLog(run.events) as log:
        error = {"class": "OutOfMemoryError", "message": "full", "advice": "", "changes": SMALLER}
        log.write("error", **error)
        log.write("done", verdict="failed")
    with Heartbeat(run):
        pass  # marks the run as ended
    plan = retry.plan(run)
    assert plan.changed["output.dir"] == (str(folder), f"{folder}-2")
