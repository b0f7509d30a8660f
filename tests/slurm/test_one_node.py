"""Runs that Slurm starts on one node: submitted, watched, stopped and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import check_values
from deepsynth_tui.runs.batch_job import NotSubmitted, read_submission
from deepsynth_tui.runs.control import StopOutcome, request_stop, stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.lock import RunBusy
from deepsynth_tui.runs.summary import list_summaries, summarize
from deepsynth_tui.workflows.start import continue_run, start_run
from tests.slurm.cluster import SlurmCluster
from tests.training.conftest import Ran

ENDLESS = {"training.max_steps": 100_000, "training.save_steps": 50}


def start(
    home: Path, values: dict[str, Any], changes: dict[str, Any] | None = None
) -> RunDirectory:
    """Submit a run with these changes of its settings."""
    for key, value in (changes or {}).items():
        values = yaml_text.with_value(values, key, value)
    checked = check_values(values)
    assert checked.config is not None, checked.problems
    return start_run(home, checked.config, yaml_text.dump(checked.config.model_dump()))


def state_is(run: RunDirectory, *names: str) -> Callable[[], bool]:
    return lambda: summarize(run).state in names


def job_of(run: RunDirectory) -> str:
    submission = read_submission(run)
    assert submission is not None
    return submission.job_id


@pytest.fixture
def full_cluster(cluster: SlurmCluster) -> Any:
    """The cluster while another job has all its nodes."""
    command = ["sbatch", "--parsable", "--nodes=2", "--exclusive", "--output=/dev/null"]
    job = subprocess.run([*command, "--wrap=sleep 600"], capture_output=True, text=True, check=True)
    cluster.wait(lambda: set(cluster.node_states().values()) == {"allocated"})
    yield cluster
    cluster.run("scancel", job.stdout.strip())
    cluster.wait(lambda: "allocated" not in cluster.node_states().values())


def test_a_run_waits_in_slurm_and_is_taken_out_of_it(
    full_cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values)
    full_cluster.wait(lambda: "(Resources)" in summarize(run).message)
    summary = summarize(run)
    assert summary.state == "queued"
    assert summary.message.startswith(f"in Slurm {job_of(run)} (Resources)")
    listed = CliRunner().invoke(app, ["runs"])
    words = ["queued", "training", "in", "Slurm", job_of(run), "(Resources)"]
    assert listed.output.split()[1:7] == words
    with pytest.raises(RunBusy, match=f"queued in Slurm {job_of(run)}"):
        continue_run(run)

    stopped = CliRunner().invoke(app, ["stop", run.id])
    assert stopped.output == f"{run.id} has stopped.\n"
    assert summarize(run).state == "stopped"
    assert full_cluster.run("squeue", "-h", "-j", job_of(run), "-o", "%T").strip() in (
        "",
        "CANCELLED",
    )


@pytest.mark.slow
def test_a_run_completes_on_a_node(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values)
    cluster.wait(state_is(run, "done"), seconds=120)
    ran = Ran(run, 0)
    assert ran.verdict == "completed"
    assert len(ran.losses) == 12
    assert "step 12/12" in run.console.read_text()


@pytest.mark.slow
def test_a_run_is_stopped_with_its_adapter_and_resumed(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, ENDLESS)
    cluster.wait(lambda: (summarize(run).last_step or 0) > 2, seconds=120)
    assert summarize(run).message == f"on n1 (Slurm {job_of(run)})"
    request_stop(run, now=True)
    cluster.wait(state_is(run, "stopped"), seconds=60)
    assert run.adapter.is_dir()
    last = max(event.data["step"] for event in Ran(run, 0).of("metric"))

    first_job = job_of(run)
    continue_run(run)
    assert job_of(run) != first_job
    cluster.wait(lambda: (summarize(run).last_step or 0) > last, seconds=120)
    steps = [event.data["step"] for event in Ran(run, 0).of("phase") if "step" in event.data]
    assert steps == [last]
    stop_and_wait(run, grace=60)
    assert summarize(run).state == "stopped"


@pytest.mark.slow
def test_a_job_that_is_cancelled_by_hand(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, ENDLESS)
    cluster.wait(lambda: (summarize(run).last_step or 0) > 2, seconds=120)
    cluster.run("scancel", job_of(run))
    cluster.wait(state_is(run, "stopped"), seconds=30)
    assert "CANCELLED" in summarize(run).message


@pytest.mark.parametrize(
    ("changes", "message", "key"),
    [
        ({"launch.partition": "gpu"}, "invalid partition", "launch.partition"),
        (
            {"launch.sbatch_options": ["--frobnicate"]},
            "unrecognized option",
            "launch.sbatch_options",
        ),
        ({"launch.constraint": "a100"}, "feature", "launch.constraint"),
    ],
)
def test_a_refused_job_leaves_no_run(
    cluster: SlurmCluster,
    home: Path,
    values: dict[str, Any],
    changes: dict[str, Any],
    message: str,
    key: str,
) -> None:
    with pytest.raises(NotSubmitted) as caught:
        start(home, values, changes)
    assert message in caught.value.message.lower()
    assert caught.value.advice
    assert caught.value.key == key
    assert list_summaries(home) == []


def test_without_slurm(home: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotSubmitted, match="sbatch is not installed on this machine"):
        start(home, values)


def test_a_job_that_can_never_start_says_why(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, {"launch.nodes": 3, "training.num_processes": 3})
    cluster.wait(lambda: "PartitionNodeLimit" in summarize(run).message)
    assert "launch.nodes is more than the partition has" in summarize(run).message
    assert stop_and_wait(run, grace=1) is StopOutcome.EXITED
    assert summarize(run).state == "stopped"


def test_a_setup_that_fails_is_a_crash_of_the_run(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, {"launch.setup": ["echo no such module >&2", "exit 3"]})
    cluster.wait(state_is(run, "crashed"))
    assert "ended before the run began (FAILED, NonZeroExitCode)" in summarize(run).message
    assert "no such module" in run.console.read_text()


APPTAINER = """\
#!/bin/bash
# Stands in for Apptainer: runs the command with a changed environment, in no container.
test "$1" = exec || exit 2
shift
while [[ $1 == --* ]]; do shift 2; done
export APPTAINER_CONTAINER="$1" PATH="{python}:$PATH"
shift
echo "in $APPTAINER_CONTAINER: $1"
exec "$@"
"""


@pytest.mark.slow
def test_a_run_in_a_container(
    cluster: SlurmCluster,
    home: Path,
    values: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = tmp_path / "bin" / "apptainer"
    command.parent.mkdir()
    command.write_text(APPTAINER.format(python=Path(sys.executable).parent))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    run = start(home, values, {"launch.container": "train.sif"})
    cluster.wait(state_is(run, "done", "failed", "crashed"), seconds=240)
    assert summarize(run).state == "done", run.console.read_text()
    assert "in train.sif: python3\n" in run.console.read_text()
    assert len(Ran(run, 0).losses) == 12
