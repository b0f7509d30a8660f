"""The built-in demo on two nodes, with the commands of the README."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.config.presets import presets_dir
from deepsynth_tui.runs.directory import find_run
from tests.slurm.cluster import SlurmCluster
from tests.training.conftest import Ran

DEMO = presets_dir() / "demo"
SHORT = ("training.max_steps=8", "training.generate_eval_samples=0", "training.show_samples=1")
ON_TWO_NODES = (
    "name=two-nodes",
    "launch.target=slurm",
    "launch.nodes=2",
    "launch.gpus_per_node=0",
    "training.num_processes=2",
    "training.per_device_train_batch_size=4",
)


def deepsynth(*arguments: str, settings: tuple[str, ...] = ()) -> str:
    """Run a command and return what it prints."""
    options = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "deepsynth_tui", *arguments, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_demo_on_two_nodes_has_the_losses_of_one_process_with_twice_the_batch(
    cluster: SlurmCluster, home: Path
) -> None:
    deepsynth("generate", str(DEMO / "dataset.yaml"))
    dataset: Any = json.loads(deepsynth("runs", "--json"))[0]
    data = (f"data.path={dataset['path']}/dataset", *SHORT)
    training = str(DEMO / "training.yaml")
    printed = deepsynth("train", training, settings=(*data, *ON_TWO_NODES))
    deepsynth("train", training, settings=("name=one", *data))

    two, one = (Ran(find_run(home, name), 0) for name in ("two-nodes", "one"))
    assert len(one.losses) == 8
    assert two.losses == pytest.approx(one.losses, rel=1e-4)
    assert "#SBATCH --nodes=2" in printed
    assert "as Slurm job" in printed
    assert " on n[1-2] (Slurm" in printed
    assert "step 8/8" in deepsynth("logs", two.run.id)
