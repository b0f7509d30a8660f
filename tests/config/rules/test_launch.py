"""What a batch job can be made of."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.launch import time_limit_seconds
from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.yaml_text import with_value

BASE: dict[str, Any] = {
    "kind": "training",
    "data": {"path": "x"},
    "launch": {"target": "slurm", "nodes": 2},
    "training": {"num_processes": 4},
}
FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nodes of this machine": ("launch.nodes", {"launch.target": "local"}),
    "not divisible": ("training.num_processes", {"training.num_processes": 3}),
    "other number of GPUs": ("launch.gpus_per_node", {"launch.gpus_per_node": 4}),
    "no time limit": ("launch.time", {"launch.time": "12h"}),
    "no time": ("launch.time", {"launch.time": "0"}),
    "too short": ("launch.time", {"launch.time": "5"}),
    "a second line": ("launch.partition", {"launch.partition": "gpu\n#SBATCH --x"}),
    "an empty option": ("launch.partition", {"launch.sbatch_options": ["-x\t"]}),
    "no option": ("launch.sbatch_options", {"launch.sbatch_options": ["mem=4G"]}),
    "an option of the program": ("launch.sbatch_options", {"launch.sbatch_options": ["-N4"]}),
    "by hand on one node": (
        "launch.nodes",
        {"launch.target": "torchrun", "launch.nodes": 1},
    ),
    "a container by hand": (
        "launch.container",
        {"launch.target": "torchrun", "launch.container": "a.sif"},
    ),
    "no port": ("launch.rendezvous", {"launch.rendezvous": "gpu-a:99999"}),
    "no host": ("launch.rendezvous", {"launch.rendezvous": ":29400"}),
    "IPv6": ("launch.rendezvous", {"launch.rendezvous": "::1"}),
    "its long form": ("launch.sbatch_options", {"launch.sbatch_options": ["--output=x"]}),
}


def problem_keys(changes: dict[str, Any]) -> list[str]:
    values = BASE
    for key, value in changes.items():
        values = with_value(values, key, value)
    return [problem.key for problem in check_values(values).problems]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"launch.gpus_per_node": 2},
        {"launch.container": "docker://org/image:1"},
        {"launch.target": "torchrun", "launch.rendezvous": "gpu-a:29400"},
        {"launch.target": "torchrun", "launch.rendezvous": "10.0.0.1"},
        {"launch.gpus_per_node": 0, "launch.time": "2-00", "launch.partition": "a,b"},
        {"launch.sbatch_options": ["--mem=64G", "-c 8", "--exclusive"]},
        {"launch.target": "local", "launch.nodes": 1, "launch.partition": "gpu"},
    ],
)
def test_allowed(changes: dict[str, Any]) -> None:
    assert problem_keys(changes) == []


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name: str) -> None:
    key, changes = FAULTS[name]
    assert problem_keys(changes) == [key]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("12:00:00", 43200),
        ("2-00", 172800),
        ("1-6:30", 109800),
        ("1-6:30:15", 109815),
        ("12h", None),
        ("1:2:3:4", None),
        ("", None),
    ],
)
def test_time_limit_seconds(text: str, seconds: int | None) -> None:
    assert time_limit_seconds(text) == seconds
