"""Assign one GPU to each rank."""

from __future__ import annotations

import os

from deepsynth_tui.machine.nvml import Probe


def visible_devices(num_processes: int) -> str:
    """Return CUDA_VISIBLE_DEVICES for the ranks: the first GPUs that this process may use."""
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = map(str, range(num_processes)) if setting is None else setting.split(",")
    return ",".join(list(devices)[:num_processes])


def gpu_shortage(num_processes: int, probe: Probe) -> str | None:
    """Return why there is not a GPU for each process, or None.

    None also without any GPU: the ranks then train on the CPU. MIG slices do not count, because a
    process can use one at most (CUDA documentation, "Multi-Instance GPU").
    """
    gpus = [device for device in probe.devices if device.slice_of is None]
    if not probe.devices or num_processes <= max(1, len(gpus)):
        return None
    if not gpus:
        return f"{num_processes} processes need {num_processes} whole GPUs; MIG slices do not count"
    return f"{num_processes} processes need {num_processes} GPUs, but this machine has {len(gpus)}"
