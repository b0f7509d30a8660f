"""A run on a full disk waits, continues when there is space, and leaves no incomplete files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from deepsynth_tui.config import yaml_text
from deepsynth_tui.estimate.storage import PROCESSOR_BYTES, DiskEstimate
from deepsynth_tui.runs.control import request_stop
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.job import Events, Job, run_job
from deepsynth_tui.training.failures import TrainingError, explain
from deepsynth_tui.training.job import train
from deepsynth_tui.training.result.checkpoints import newest_complete
from deepsynth_tui.training.result.disk_space import DiskSpace, free_bytes
from tests.training.conftest import Ran, configuration

pytestmark = pytest.mark.slow

DISK = 48 << 20


@pytest.fixture
def small_disk(home: Path) -> Iterator[Path]:
    """A home directory on a file system of 48 MiB."""
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(home)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield home
    subprocess.run(["umount", str(home)], check=True)


class EventsWithCallback:
    """An event log with a callback."""

    def __init__(self, events: Events, react: Callable[[str, dict[str, Any]], None]) -> None:
        self._events = events
        self._react = react

    def write(self, kind: str, /, **fields: object) -> None:
        self._events.write(kind, **fields)
        self._react(kind, fields)


def started(home: Path, values: dict[str, Any], **changes: Any) -> RunDirectory:
    config = configuration(values, **changes, training__save_steps=2)
    text = yaml_text.dump(config.model_dump())
    return create_run(home, kind="training", name="small", config_text=text)


def ran(
    run: RunDirectory, react: Callable[[str, dict[str, Any]], None], *, resume: bool = False
) -> Ran:
    def body(job: Job) -> str:
        job.events = EventsWithCallback(job.events, react)
        return train(
            job, resume=resume, disk_space=DiskSpace(job, margin=1 << 20, poll_seconds=0.01)
        )

    return Ran(run, run_job(run.path, body, explain=explain))


def fill(home: Path, left: int) -> None:
    """Fill the disk until `left` bytes are free."""
    with (home / "ballast").open("wb") as file:
        file.write(bytes(free_bytes(home) - left))


def test_the_run_waits_while_the_disk_is_full(small_disk: Path, values: dict[str, Any]) -> None:
    run = started(small_disk, values, training__max_steps=4)
    half: list[Path] = []

    def react(kind: str, fields: dict[str, Any]) -> None:
        if kind == "metric" and fields["step"] == 1:
            fill(small_disk, left=PROCESSOR_BYTES)
        if kind == "warning":
            half.extend(run.checkpoints.glob("*"))
            (small_disk / "ballast").unlink()

    done = ran(run, react)
    assert done.verdict == "completed", done.failure
    (warned,) = done.of("warning")
    assert "The checkpoint of step 2 needs" in warned.data["message"]
    assert "hf cache prune" in warned.data["message"]
    assert half == []
    phases = [event.data["name"] for event in done.of("phase")]
    assert phases[phases.index("paused") + 1] == "training"
    assert [event.data["step"] for event in done.of("checkpoint")] == [2, 4]
    assert len(done.losses) == 4
    load_file(run.adapter / "adapter_model.safetensors")


def test_a_stop_on_a_full_disk_leaves_the_last_checkpoint(
    small_disk: Path, values: dict[str, Any]
) -> None:
    run = started(small_disk, values, training__max_steps=10)

    def react(kind: str, fields: dict[str, Any]) -> None:
        if kind == "checkpoint":
            fill(small_disk, left=PROCESSOR_BYTES // 2)
        if kind == "warning":
            request_stop(run, now=True)

    ended = ran(run, react)
    assert ended.verdict == "failed"
    assert "The result needs" in ended.failure
    assert "--resume continues" in ended.failure
    assert [event.data["step"] for event in ended.of("checkpoint")] == [2]
    left = newest_complete(run.checkpoints)
    assert (left.step, left.incomplete) == (2, ())
    assert not run.adapter.exists()

    (small_disk / "ballast").unlink()
    resumed = ran(run, lambda kind, fields: None, resume=True)
    assert resumed.verdict == "completed", resumed.failure
    assert {event.data["step"] for event in resumed.of("metric")} == set(range(1, 11))


def test_a_run_that_would_fill_the_disk_does_not_start(home: Path) -> None:
    run = create_run(home, kind="training", name="small", config_text="")
    disk = DiskEstimate(checkpoint=3 << 30, checkpoints=3, final=1 << 30)

    def body(job: Job) -> str:
        DiskSpace(job, free=lambda folder: disk.needed).refuse_if_short(disk)
        with pytest.raises(TrainingError, match=r"3 checkpoints of 3\.0 GiB") as refused:
            DiskSpace(job, free=lambda folder: disk.needed - 1).refuse_if_short(disk)
        assert "save_total_limit" in refused.value.advice
        # A run that is resumed has some of its checkpoints already.
        run.checkpoints.mkdir(exist_ok=True)
        (run.checkpoints / "optimizer.pt").write_bytes(b"12345")
        DiskSpace(job, free=lambda folder: disk.needed - 5).refuse_if_short(disk)
        return "completed"

    assert run_job(run.path, body, explain=explain) == 0
