"""A run that other machines join by hand: both are this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config import yaml_text
from deepsynth_tui.runs.control import StopOutcome, stop_and_wait
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.workflows.start import start_run
from tests.process.test_jobs import wait_until
from tests.training.conftest import Ran, configuration

TWO_MACHINES = {
    "launch__target": "torchrun",
    "launch__nodes": 2,
    "training__num_processes": 2,
    "training__max_steps": 6,
}


@pytest.mark.slow
def test_a_machine_joins_and_the_run_is_stopped(home: Path, values: dict[str, Any]) -> None:
    config = configuration(values, **{**TWO_MACHINES, "training__max_steps": 100_000})
    run = start_run(home, config, yaml_text.dump(config.model_dump()))
    assert not run.batch_script.exists()
    wait_until(lambda: summarize(run).phase == "joining", seconds=60)
    assert f"deepsynth-tui node {run.path}" in run.events.read_text()
    command = [sys.executable, "-m", "deepsynth_tui", "node", run.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as other:
        wait_until(lambda: (summarize(run).last_step or 0) > 2, seconds=180)
        assert stop_and_wait(run, grace=60) is StopOutcome.EXITED
        assert other.wait(30) == 0, other.stdout and other.stdout.read()
    assert Ran(run, 0).verdict == "stopped"
    assert run.adapter.is_dir()
    assert not (run.path / "nodes.json").exists()


def test_a_run_that_waits_for_nobody(home: Path) -> None:
    run = create_run(home, kind="training", name="alone", config_text="", now=1.0)
    command = [sys.executable, "-m", "deepsynth_tui", "node", run.id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert "does not wait for other machines" in done.stderr
    assert "Traceback" not in done.stderr
