"""Disk and main memory: the arithmetic, and what a container leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from deepsynth_tui.config.training import TrainingSettings
from deepsynth_tui.estimate.storage import (
    STATE_ENTRY_BYTES,
    DiskEstimate,
    HostMemoryEstimate,
    StorageEstimate,
    available_memory,
    estimate_disk,
    estimate_host_memory,
    estimate_storage,
)
from deepsynth_tui.units import GIB
from tests.estimate import models
from tests.estimate.models import configure

DENSE = "Qwen/Qwen3-VL-4B-Instruct"
UNLIMITED_V1 = "9223372036854771712\n"


def of(steps: int | None = None, **sections: dict[str, Any]) -> DiskEstimate:
    return estimate_disk(configure(**sections), models.shipped(DENSE), steps=steps, processor=0)


def test_one_checkpoint_more_than_are_kept_is_there_while_it_is_written():
    saving = {"save_total_limit": 3, "save_steps": 10}
    assert of(training=saving).checkpoints == 4
    assert of(training=saving, steps=1000).checkpoints == 4
    assert of(training=saving, steps=25).checkpoints == 3  # at 10, 20 and the last step
    best = {"early_stopping_patience": 2, "save_total_limit": 1}
    assert of(training=best).checkpoints == 3  # the best is kept beside the last
    found = of(training=saving)
    assert found.needed == 4 * found.checkpoint + found.final


def test_full_fine_tuning_saves_the_model_and_two_moments():
    found = of(lora={"enabled": False})
    weights = 2 * models.shipped(DENSE).total_params
    trained = models.shipped(DENSE).total_params - models.shipped(DENSE).tower_params("vision")
    assert found.final == weights
    assert weights + 2 * 2 * 0.9 * trained < found.checkpoint < 3.01 * weights
    assert of().checkpoint < found.checkpoint / 50


def test_every_optimizer_is_known():
    assert STATE_ENTRY_BYTES.keys() == {
        *get_args(TrainingSettings.model_fields["optim"].annotation)
    }


def test_main_memory_grows_with_what_is_saved_and_with_the_largest_tensor():
    lora = estimate_host_memory(configure(), models.shipped(DENSE))
    full = estimate_host_memory(configure(lora={"enabled": False}), models.shipped(DENSE))
    assert lora.loading == full.loading
    assert full.saving - lora.saving > 1.9 * models.shipped(DENSE).total_params
    assert full.needed == full.saving
    assert lora.needed == max(lora.loading, lora.saving)


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return written(tmp_path / "proc", meminfo="MemTotal: 64 kB\nMemAvailable:   1000 kB\n")


def test_the_kernel_says_what_is_available(proc: Path, tmp_path: Path):
    assert available_memory(proc, tmp_path) == 1000 * 1024
    assert available_memory(tmp_path / "nothing", tmp_path) is None


def test_a_control_group_above_leaves_less(proc: Path, tmp_path: Path):
    written(proc / "self", cgroup="0::/outer/inner\n")
    groups = tmp_path / "groups"
    stat = {"memory__stat": "anon 5\ninactive_file 100\n"}
    written(groups / "outer", memory__max="5000\n", memory__current="4000\n", **stat)
    written(groups / "outer" / "inner", memory__max="max\n", memory__current="10\n", **stat)
    assert available_memory(proc, groups) == 5000 - 4000 + 100
    written(groups / "outer", memory__max="3000\n")
    assert available_memory(proc, groups) == 0


def test_a_container_with_control_groups_of_version_1(proc: Path, tmp_path: Path):
    """Its path is the host's, which is not there; its own group is mounted at the root."""
    written(proc / "self", cgroup="5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n")
    groups = tmp_path / "groups"
    limits = {
        "memory__limit_in_bytes": "7000\n",
        "memory__usage_in_bytes": "1000\n",
        "memory__stat": "cache 9\ntotal_inactive_file 50\n",
    }
    written(groups / "memory", **limits)
    assert available_memory(proc, groups) == 6050
    written(groups / "memory", memory__limit_in_bytes=UNLIMITED_V1)
    assert available_memory(proc, groups) == 1000 * 1024


def test_this_machine_answers_and_a_shortage_is_said(tmp_path: Path):
    config = configure(output={"dir": str(tmp_path / "not" / "yet")})
    found = estimate_storage(config, models.shipped(DENSE), steps=10)
    assert found.path == tmp_path
    assert found.disk_free > 0
    assert found.memory_free is None or found.memory_free > 0
    assert found.to_json()["disk_needed_bytes"] == found.disk.needed

    short = StorageEstimate(
        DiskEstimate(2 * GIB, 2, GIB), HostMemoryEstimate(3 * GIB, GIB), tmp_path, 4 * GIB, 2 * GIB
    )
    on_disk, in_memory = short.shortages
    assert "5.0 GB of disk" in on_disk
    assert "4.0 GB free" in on_disk
    assert "3.0 GB of main memory, but 2.0 GB" in in_memory
    enough = StorageEstimate(short.disk, short.memory, tmp_path, 5 * GIB, None)
    assert not enough.shortages
