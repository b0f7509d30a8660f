"""Estimates of disk and main memory, and the free memory inside a container."""

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
    estimate_disk,
    estimate_host_memory,
    estimate_storage,
)
from deepsynth_tui.machine.main_memory import available_memory
from deepsynth_tui.units import GIB
from tests.estimate import models
from tests.estimate.models import configure

DENSE = "Qwen/Qwen3-VL-4B-Instruct"
UNLIMITED_V1 = "9223372036854771712\n"


def disk_for(steps: int | None = None, **sections: dict[str, Any]) -> DiskEstimate:
    return estimate_disk(configure(**sections), models.shipped(DENSE), steps=steps, processor=0)


def test_writing_a_checkpoint_needs_space_for_one_more():
    saving = {"save_total_limit": 3, "save_steps": 10}
    assert disk_for(training=saving).checkpoints == 4
    assert disk_for(training=saving, steps=1000).checkpoints == 4
    assert disk_for(training=saving, steps=25).checkpoints == 3  # at 10, 20 and the last step
    best = {"early_stopping_patience": 2, "save_total_limit": 1}
    assert disk_for(training=best).checkpoints == 3  # the best, the last and one being written
    disk = disk_for(training=saving)
    assert disk.needed == 4 * disk.checkpoint + disk.final


def test_full_fine_tuning_saves_the_model_and_two_moments():
    disk = disk_for(lora={"enabled": False})
    weights = 2 * models.shipped(DENSE).total_params
    trained = models.shipped(DENSE).total_params - models.shipped(DENSE).tower_params("vision")
    assert disk.final == weights
    assert weights + 2 * 2 * 0.9 * trained < disk.checkpoint < 3.01 * weights
    assert disk_for().checkpoint < disk.checkpoint / 50


def test_every_optimizer_has_a_state_size():
    assert STATE_ENTRY_BYTES.keys() == {
        *get_args(TrainingSettings.model_fields["optim"].annotation)
    }


def test_main_memory_is_the_larger_of_loading_and_saving():
    lora = estimate_host_memory(configure(), models.shipped(DENSE))
    full = estimate_host_memory(configure(lora={"enabled": False}), models.shipped(DENSE))
    assert lora.loading == full.loading
    assert full.saving - lora.saving > 1.9 * models.shipped(DENSE).total_params
    assert full.needed == full.saving
    assert lora.needed == max(lora.loading, lora.saving)


def write_files(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return write_files(tmp_path / "proc", meminfo="MemTotal: 64 kB\nMemAvailable:   1000 kB\n")


def test_available_memory_is_read_from_meminfo(proc: Path, tmp_path: Path):
    assert available_memory(proc, tmp_path) == 1000 * 1024
    assert available_memory(tmp_path / "nothing", tmp_path) is None


def test_a_parent_control_group_limits_memory(proc: Path, tmp_path: Path):
    write_files(proc / "self", cgroup="0::/outer/inner\n")
    groups = tmp_path / "groups"
    stat = {"memory__stat": "anon 5\ninactive_file 100\n"}
    write_files(groups / "outer", memory__max="5000\n", memory__current="4000\n", **stat)
    write_files(groups / "outer" / "inner", memory__max="max\n", memory__current="10\n", **stat)
    assert available_memory(proc, groups) == 5000 - 4000 + 100
    write_files(groups / "outer", memory__max="3000\n")
    assert available_memory(proc, groups) == 0


def test_control_groups_of_version_1_limit_memory(proc: Path, tmp_path: Path):
    """The path is the host's and does not exist; the container's group is mounted at the root."""
    write_files(proc / "self", cgroup="5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n")
    groups = tmp_path / "groups"
    limits = {
        "memory__limit_in_bytes": "7000\n",
        "memory__usage_in_bytes": "1000\n",
        "memory__stat": "cache 9\ntotal_inactive_file 50\n",
    }
    write_files(groups / "memory", **limits)
    assert available_memory(proc, groups) == 6050
    write_files(groups / "memory", memory__limit_in_bytes=UNLIMITED_V1)
    assert available_memory(proc, groups) == 1000 * 1024


def test_storage_of_this_machine_and_shortages(tmp_path: Path):
    config = configure(output={"dir": str(tmp_path / "not" / "yet")})
    storage = estimate_storage(config, models.shipped(DENSE), steps=10)
    assert storage.path == tmp_path
    assert storage.disk_free > 0
    assert storage.memory_free is None or storage.memory_free > 0
    assert storage.to_json()["disk_needed_bytes"] == storage.disk.needed

    short = StorageEstimate(
        DiskEstimate(2 * GIB, 2, GIB), HostMemoryEstimate(3 * GIB, GIB), tmp_path, 4 * GIB, 2 * GIB
    )
    on_disk, in_memory = short.shortages
    assert "5.0 GiB of disk" in on_disk
    assert "only 4.0 GiB are free" in on_disk
    assert "3.0 GiB of main memory, but only 2.0 GiB are free" in in_memory
    enough = StorageEstimate(short.disk, short.memory, tmp_path, 5 * GIB, None)
    assert not enough.shortages
