"""Time limits, preemption, dead nodes: the run goes on, with the losses of an undisturbed one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.runs.control import StopOutcome, stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import summarize
from tests.slurm.cluster import NODES, SlurmCluster
from tests.slurm.test_one_node import job_of, start, state_is
from tests.training.conftest import Ran

pytestmark = pytest.mark.slow

LONG = {
    "lora.lora_dropout": 0.3,  # each rank has its own random state
    "training.max_steps": 60,
    "training.save_steps": 10,
}
TWO_NODES = {"launch.nodes": 2, "training.num_processes": 2}


def losses(run: RunDirectory) -> dict[int, list[float]]:
    """Return every loss that was reported for a step: more than one for a repeated step."""
    found: dict[int, list[float]] = {}
    for event in Ran(run, 0).of("metric"):
        if "loss" in event.data:
            found.setdefault(event.data["step"], []).append(event.data["loss"])
    return found


def resumed_at(run: RunDirectory) -> list[int]:
    """Return the steps at which processes of the run went on."""
    return [event.data["step"] for event in Ran(run, 0).of("phase") if "step" in event.data]


@pytest.fixture(scope="module")
def undisturbed(
    slurm_cluster: SlurmCluster, values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """The losses of the run by its number of nodes, computed once."""
    known: dict[int, dict[int, list[float]]] = {}

    def compute(nodes: int) -> dict[int, list[float]]:
        if nodes not in known:
            home = tmp_path_factory.mktemp("undisturbed")
            run = start(home, values, {**LONG, **(TWO_NODES if nodes == 2 else {})})
            slurm_cluster.wait(state_is(run, "done", "failed", "crashed"), seconds=300)
            known[nodes] = losses(run)
            assert len(known[nodes]) == 60, run.console.read_text()
        return known[nodes]

    return compute


def test_a_job_before_its_time_limit_is_requeued(
    cluster: SlurmCluster, home: Path, values: dict[str, Any], undisturbed: Any
) -> None:
    expected = undisturbed(2)
    run = start(home, values, {**LONG, **TWO_NODES})
    cluster.wait(lambda: (summarize(run).last_step or 0) > 12, seconds=240)
    cluster.run("scancel", "--batch", "--signal=USR1", job_of(run))
    cluster.wait(lambda: summarize(run).state == "queued", seconds=60)
    assert summarize(run).message.startswith(f"in Slurm {job_of(run)} (")
    assert not run.adapter.exists()
    cluster.wait(state_is(run, "done", "failed", "crashed", "stopped"), seconds=300)

    assert summarize(run).state == "done", run.console.read_text()
    assert len(resumed_at(run)) == 1
    assert losses(run) == expected


def test_slurm_ends_a_job_at_its_time_limit(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    """Slurm looks every 30 s whether the limit of a job is near. A limit that is set at the start
    would come before the first checkpoint on a slow machine."""
    endless = {**LONG, "training.max_steps": 100_000}
    run = start(home, values, {**endless, "launch.time": "30", "launch.signal_seconds": 60})
    undisturbed = start(home, values, {**endless, "name": "undisturbed"})
    cluster.wait(lambda: (summarize(run).last_step or 0) > 12, seconds=240)
    minutes = int(cluster.run("squeue", "-h", "-j", job_of(run), "-o", "%M").partition(":")[0])
    limit = f"TimeLimit={minutes + 2}"
    cluster.run("scontrol", "update", f"JobId={job_of(run)}", limit)
    cluster.wait(lambda: len(resumed_at(run)) > 0, seconds=240)
    cluster.wait(lambda: (summarize(run).last_step or 0) > resumed_at(run)[0] + 5, seconds=60)
    assert stop_and_wait(run, grace=60) is StopOutcome.EXITED
    last = max(losses(run))
    cluster.wait(lambda: (summarize(undisturbed).last_step or 0) >= last, seconds=240)
    stop_and_wait(undisturbed, grace=60)

    assert resumed_at(run) != [0]
    assert losses(run) == {s: values for s, values in losses(undisturbed).items() if s <= last}


def test_a_run_on_a_killed_node_is_started_again(
    cluster: SlurmCluster, home: Path, values: dict[str, Any], undisturbed: Any
) -> None:
    expected = undisturbed(2)
    run = start(home, values, {**LONG, **TWO_NODES})
    cluster.wait(lambda: (summarize(run).last_step or 0) > 12, seconds=240)
    cluster.kill_node("n2")
    cluster.wait(lambda: summarize(run).state == "queued", seconds=60)
    cluster.start_node("n2")
    cluster.wait(state_is(run, "done", "failed", "crashed", "stopped"), seconds=300)

    assert summarize(run).state == "done", run.console.read_text()
    assert resumed_at(run)[0] % 10 == 0
    repeated = losses(run)
    assert repeated.keys() == expected.keys()
    assert all(set(values) == set(expected[step]) for step, values in repeated.items())


def test_the_node_of_the_batch_script_is_killed(
    cluster: SlurmCluster, home: Path, values: dict[str, Any], undisturbed: Any
) -> None:
    expected = undisturbed(1)
    run = start(home, values, LONG)
    cluster.wait(lambda: (summarize(run).last_step or 0) > 12, seconds=240)
    cluster.kill_node(NODES[0])
    cluster.wait(lambda: len(resumed_at(run)) == 1, seconds=120)
    cluster.start_node(NODES[0])
    cluster.wait(state_is(run, "done", "failed", "crashed", "stopped"), seconds=300)
    assert summarize(run).state == "done", run.console.read_text()
    repeated = losses(run)
    assert repeated.keys() == expected.keys()
    assert all(set(values) == set(expected[step]) for step, values in repeated.items())


def test_a_time_limit_before_the_first_checkpoint_fails_the_run(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, LONG)
    cluster.wait(lambda: (run.path / "status.json").exists(), seconds=60)
    cluster.run("scancel", "--batch", "--signal=USR1", job_of(run))
    cluster.wait(state_is(run, "failed"), seconds=120)
    assert "came before the first checkpoint" in summarize(run).message
