"""The cluster that the other tests run on."""

from __future__ import annotations

import subprocess

from tests.slurm.cluster import SlurmCluster


def test_a_step_runs_on_both_nodes(cluster: SlurmCluster) -> None:
    command = ["srun", "--nodes=2", "--label", "printenv", "SLURMD_NODENAME"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["0:", "1:", "n1", "n2"]
