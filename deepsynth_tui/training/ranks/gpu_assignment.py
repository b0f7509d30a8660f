"""Which GPUs the ranks of a run get, one each."""

from __future__ import annotations

import os

from deepsynth_tui.machine.nvml import Probe


def visible_devices(processes: int) -> str:
    """CUDA_VISIBLE_DEVICES for so many processes: the first of those that this one may see."""
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    entries = [str(place) for place in range(processes)] if stated is None else stated.split(",")
    return ",".join(entries[:processes])


def gpu_shortage(processes: int, found: Probe) -> str | None:
    """Say why so many processes cannot get a GPU each; None where they can, and where there is no
    GPU at all: then they train on the CPU.

    A process sees one MIG slice at most (CUDA, "Multi-Instance GPU"), so slices do not add up.
    """
    cards = [device for device in found.devices if device.slice_of is None]
    if not found.devices or processes <= max(1, len(cards)):
        return None
    if not cards:
        return f"{processes} processes need as many GPUs; slices of one do not count"
    return f"{processes} processes need as many GPUs, and this machine shows {len(cards)}"
