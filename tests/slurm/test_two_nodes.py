"""Runs over two nodes: torchrun's agents started by srun, DDP over gloo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import SlurmCluster
from tests.slurm.test_one_node import start, state_is
from tests.training.conftest import Ran

TWO_NODES = {"launch.nodes": 2, "training.num_processes": 2}
TWICE = {"training.per_device_train_batch_size": 4, "launch.target": "local"}


def rank_pids(node: str) -> list[int]:
    """Return the pids of the ranks on a node."""
    pids: list[int] = []
    for process in Path("/proc").iterdir():
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        is_rank = b"deepsynth_tui.training.ranks.rank" in arguments
        if is_rank and f"SLURMD_NODENAME={node}".encode() in environment:
            pids.append(int(process.name))
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
