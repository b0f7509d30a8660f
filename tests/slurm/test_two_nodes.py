"""Runs over two nodes: torchrun's agents started by srun, DDP over gloo."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.runs.summary import summarize
from tests.slurm.cluster import NODES, SlurmCluster
from tests.slurm.test_one_node import ENDLESS, start, state_is
from tests.training.conftest import Ran

pytestmark = pytest.mark.slow

TWO_NODES = {"launch.nodes": 2, "training.num_processes": 2}
TWICE = {"training.per_device_train_batch_size": 4, "launch.target": "local"}


def ranks(cluster: SlurmCluster, node: str) -> dict[int, int]:
    """Return the pids of the ranks on a node of this cluster, by rank."""
    pids: dict[int, int] = {}
    for pid in cluster.processes_of(node):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if b"deepsynth_tui.training.ranks.rank" in arguments:
                rank = next(int(entry[5:]) for entry in environment if entry.startswith(b"RANK="))
                pids[rank] = pid
    return pids


def test_two_nodes_have_the_losses_of_one_process_with_twice_the_batch(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, TWO_NODES)
    cluster.wait(state_is(run, "done", "failed", "crashed"), seconds=240)
    together = Ran(run, 0)
    assert together.verdict == "completed", run.console.read_text()
    one = start(home, values, TWICE)
    cluster.wait(state_is(one, "done", "failed", "crashed"), seconds=240)
    assert together.losses == pytest.approx(Ran(one, 0).losses, rel=1e-5)
    assert [event.seq for event in together.events] == list(range(1, len(together.events) + 1))
    assert together.of("done")[-1].data["verification"]["from_trained"] == 0
    assert (run.path / "logs" / "rank-1.log").is_file()
    assert run.console.read_text().count("step 12/12  loss ") == 1


def test_a_killed_rank_is_named_with_its_node_and_resume_is_exact(
    cluster: SlurmCluster, home: Path, values: dict[str, Any]
) -> None:
    run = start(home, values, {**TWO_NODES, **ENDLESS, "training.save_steps": 5})
    cluster.wait(lambda: (summarize(run).last_step or 0) > 6, seconds=240)
    node, pid = next((node, pids[1]) for node in NODES if 1 in (pids := ranks(cluster, node)))
    os.kill(pid, signal.SIGKILL)
    cluster.wait(state_is(run, "failed"), seconds=60)
    error = Ran(run, 0).of("error")[-1].data["message"]
    assert error.startswith(f"Rank 1 on {node} (pid {pid}) was killed by SIGKILL")
    cluster.wait(lambda: not any(ranks(cluster, node) for node in NODES))
