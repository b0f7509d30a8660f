"""A run that is killed and resumed gives the same result, to the bit, as one that is not."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerState

from deepsynth_tui.config import yaml_text
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.job import Events, Job, run_job
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.features.store import features_dir
from deepsynth_tui.training.job import train
from tests.training.conftest import Ran, configuration
from tests.training.forked import fork

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    "lora__lora_dropout": 0.3,
    "data__eval_fraction": 0.2,
    "training__per_device_train_batch_size": 1,
    "training__gradient_accumulation_steps": 3,  # an epoch is two batches of 3 rows and one of 2
    "training__max_steps": 12,
    "training__logging_steps": 2,
    "training__eval_steps": 1,
    "training__eval_on_start": True,
    "training__save_steps": 3,
    "training__save_total_limit": 1,
    "training__early_stopping_patience": 8,
    "training__warmup_steps": 2,
}
Point = Callable[[Job], None]


class FatalEvents:
    """An event log that kills the process after one of its events."""

    def __init__(self, events: Events, last: Callable[[int, str, dict[str, Any]], bool]) -> None:
        self._events = events
        self._last = last
        self._count = 0

    def write(self, kind: str, /, **fields: object) -> None:
        self._events.write(kind, **fields)
        self._count += 1
        if self._last(self._count, kind, fields):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(kind: str, **wanted: object) -> Point:
    """Die after an event of this kind with these fields."""

    def set_up(job: Job) -> None:
        job.events = FatalEvents(
            job.events,
            lambda count, written, fields: written == kind and wanted.items() <= fields.items(),
        )

    return set_up


def after_events(count: int) -> Point:
    """Die after `count` events."""

    def set_up(job: Job) -> None:
        job.events = FatalEvents(job.events, lambda written, kind, fields: written == count)

    return set_up


def inside(name: str, step: int) -> Point:
    """Die when torch has written half of this file of a checkpoint."""

    def set_up(job: Job) -> None:
        whole = torch.save

        def half(what: Any, path: Any, *args: Any, **kwargs: Any) -> None:
            if str(path).endswith(f"checkpoint-{step}/{name}"):
                content = io.BytesIO()
                whole(what, content)
                Path(path).write_bytes(content.getvalue()[: content.tell() // 2])
                die()
            whole(what, path, *args, **kwargs)

        torch.save = half

    return set_up


def inside_state(step: int) -> Point:
    """Die when half of trainer_state.json is written."""

    def set_up(job: Job) -> None:
        whole = TrainerState.save_to_json

        def half(self: TrainerState, json_path: str) -> None:
            whole(self, json_path)
            if self.global_step == step:
                content = Path(json_path).read_bytes()
                Path(json_path).write_bytes(content[: len(content) // 2])
                die()

        TrainerState.save_to_json = half

    return set_up


def run_in_child(run: RunDirectory, point: Point | None, *, resume: bool) -> int:
    """Run the job in a child process and return its wait status."""

    def body(job: Job) -> str:
        if point is not None:
            point(job)
        return train(job, resume=resume)

    return os.waitpid(fork(lambda: run_job(run.path, body, explain=explain)), 0)[1]


def killed_at(run: RunDirectory, *points: Point) -> Ran:
    """Kill the run at each of the points, one process after the other, then let it finish."""
    for number, point in enumerate(points):
        assert run_in_child(run, point, resume=number > 0) == signal.SIGKILL
    assert run_in_child(run, None, resume=bool(points)) == 0
    return Ran(run, 0)


def figures(ran: Ran) -> dict[tuple[int, str], list[float]]:
    """All values of each metric at each step; a step that was taken twice has two."""
    values: dict[tuple[int, str], list[float]] = {}
    for event in ran.of("metric"):
        for name in ("loss", "eval_loss", "grad_norm", "learning_rate"):
            if name in event.data:
                values.setdefault((event.data["step"], name), []).append(event.data[name])
    return values


@pytest.fixture
def new(home: Path, values: dict[str, Any]) -> Callable[..., RunDirectory]:
    def make(**changes: Any) -> RunDirectory:
        config = configuration(values, **{**SETTINGS, **changes})
        text = yaml_text.dump(config.model_dump())
        return create_run(home, kind="training", name="small", config_text=text)

    return make


def assert_same(whole: Ran, broken: Ran) -> None:
    assert whole.verdict == broken.verdict == "completed"
    expected = {key: values[0] for key, values in figures(whole).items()}
    for key, values in figures(broken).items():
        assert set(values) == {expected[key]}, key
    assert figures(broken).keys() == expected.keys()
    ends = [ran.of("done")[-1].data for ran in (whole, broken)]
    for name in ("steps", "eval_loss", "kept_step", "last_loss"):
        assert ends[0].get(name) == ends[1].get(name), name
    adapters = [load_file(ran.run.adapter / "adapter_model.safetensors") for ran in (whole, broken)]
    assert adapters[0].keys() == adapters[1].keys()
    for name, value in adapters[0].items():
        assert torch.equal(value, adapters[1][name]), name


def test_killed_at_any_moment(new: Callable[..., RunDirectory]) -> None:
    whole = killed_at(new())
    broken = killed_at(
        new(),
        after("metric", step=2),  # before there is a checkpoint
        inside("optimizer.pt", 3),
        after("metric", step=5),  # in the middle of an epoch
        inside("rng_state.pth", 6),
        inside_state(6),
        after_events(random.Random(4).randrange(8, 25)),
        after("checkpoint", step=9),
        after("phase", name="saving"),
        after("phase", name="verifying"),
    )
    assert_same(whole, broken)
    warnings = [str(event.data["message"]) for event in broken.of("warning")]
    assert "checkpoint-3 is skipped: trainer_state.json is missing" in warnings
    assert "checkpoint-6 is skipped: trainer_state.json is not valid JSON" in warnings
    steps = [e.data["step"] for e in broken.of("phase") if e.data["name"] == "resumed"]
    assert steps == sorted(steps)
    assert {0, 3, 9, 12} <= set(steps)


def test_early_stopping_keeps_its_count(new: Callable[..., RunDirectory]) -> None:
    # Nothing gets better than after the first step, so the run ends five steps later.
    changes = {"training__learning_rate": 1e-30, "training__early_stopping_patience": 5}
    whole = killed_at(new(**changes))
    assert whole.of("done")[-1].data["steps"] == 6
    broken = killed_at(new(**changes), after("checkpoint", step=3), after("phase", name="saving"))
    assert_same(whole, broken)
    assert [e.data["step"] for e in broken.of("phase") if e.data["name"] == "resumed"] == [3, 6]


def test_killed_while_pages_are_encoded_and_read(new: Callable[..., RunDirectory]) -> None:
    changes = {
        "training__cache_features": "on",
        "training__per_device_train_batch_size": 2,
        "training__gradient_accumulation_steps": 1,
    }
    whole = killed_at(new(**changes))
    shutil.rmtree(features_dir())
    broken = killed_at(
        new(**changes),
        after("progress", unit="pages"),
        after("metric", step=5),
        after("checkpoint", step=9),
    )
    assert_same(whole, broken)


def test_workers_persist_over_epochs_and_a_resumed_run_may_have_others(
    new: Callable[..., RunDirectory],
) -> None:
    whole = killed_at(new())
    broken = killed_at(
        new(training__dataloader_num_workers=2),
        after("metric", step=5),  # in the middle of an epoch, after the checkpoint of step 3
        after("checkpoint", step=9),  # at the end of one
    )
    assert_same(whole, broken)
