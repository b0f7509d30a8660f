"""Fixtures of the tests of runs: a run, and waiting for a condition instead of a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.liveness import ProcessStatus, own_status, write_status

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def run(home: Path) -> RunDirectory:
    """A training run that was created and not launched."""
    return create_run(home, kind="training", name="My run", config_text="kind: training\n")


@pytest.fixture
def alive(run: RunDirectory) -> ProcessStatus:
    """Write and return the status of a job that runs in this process."""
    now = time.time()
    status = replace(own_status(now), heartbeat=now, phase="training")
    write_status(run, status)
    return status


@pytest.fixture
def wait_until() -> Wait:
    """Wait for a condition to hold; fail when it does not within a generous deadline."""

    def wait(condition: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the state did not come"
            time.sleep(0.02)  # between two looks

    return wait
