"""One cluster for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.cluster import SlurmCluster, missing_commands
from tests.training import small_datasets, small_models


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A running cluster; skips where its packages are missing."""
    if missing := missing_commands():
        pytest.skip(f"{', '.join(missing)} missing: apt install slurm-wlm munge")
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The cluster, which the commands of Slurm ask in this test."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_cluster.configuration))
    return slurm_cluster


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs import this package, on one core each."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The values of a configuration that trains small steps on the CPUs of a cluster."""
    rows = [small_datasets.row(number) for number in range(16)]
    return {
        "kind": "training",
        "name": "small",
        "model": {
            "name_or_path": str(small_models.vision_model(tmp_path_factory.mktemp("model"))),
            "dtype": "float32",
        },
        "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0},
        "data": {
            "path": str(small_datasets.write(tmp_path_factory.mktemp("dataset"), rows)),
            "max_length": 256,
        },
        "training": {
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 1,
            "max_steps": 12,
            "learning_rate": 0.01,
            "warmup_steps": 0,
            "bf16": False,
            "gradient_checkpointing": False,
            "save_steps": 4,
        },
        "launch": {"target": "slurm", "gpus_per_node": 0},
    }
