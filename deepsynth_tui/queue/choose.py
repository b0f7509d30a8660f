"""Which devices a waiting run gets: pure functions of the machine as it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from deepsynth_tui.queue.machine import Machine, QueueDevice, visible_gpus
from deepsynth_tui.runs.queue import QueueEntry
from deepsynth_tui.units import format_bytes

EMPTY_FRACTION = 0.9
"""A GPU with so much of its memory free is empty: a driver takes a part for itself."""
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Start:
    """The run can start on these devices."""

    devices: tuple[QueueDevice, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """The run waits, for `reason`. Runs after it must not take the devices `reserved`."""

    reason: str
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Never:
    """The run can never start on this machine, for `reason`."""

    reason: str


Decision = Start | Wait | Never


def choose(entry: QueueEntry, machine: Machine, reserved: Collection[str] = ()) -> Decision:
    """Decide whether the run of `entry` can start now.

    Runs start in their order: a device that an earlier run waits for is `reserved`, so that a large
    run is not overtaken for ever by small ones.
    """
    if entry.device == "cpu":
        devices, problem = [machine.cpu], ""
    else:
        devices = visible_gpus(machine.gpus, entry.environment.get(VISIBLE_VARIABLE))
        problem = machine.no_gpus
    if entry.devices > 1:
        devices = [device for device in devices if device.gpu and device.gpu.slice_of is None]
    if not devices:
        return Wait(f"no GPU answers: {problem}" if problem else "no GPU is visible to it")
    large = [device for device in devices if _is_large_enough(entry, device)]
    if len(large) < entry.devices:
        return Never(_too_small(entry, devices, len(large)))
    ready = [
        device
        for device in large
        if device.holder is None and device.id not in reserved and _has_room(entry, device)
    ]
    if len(ready) >= entry.devices:
        return Start(tuple(ready[: entry.devices]))
    free = frozenset(device.id for device in large if device.holder is None)
    return Wait(_why_not(entry, large, ready, reserved), free)


def _is_large_enough(entry: QueueEntry, device: QueueDevice) -> bool:
    return entry.needed is None or device.total is None or entry.needed <= device.total


def _has_room(entry: QueueEntry, device: QueueDevice) -> bool:
    if device.free is None:
        return True
    if entry.needed is not None:
        return entry.needed <= device.free
    return device.gpu is None or device.free >= EMPTY_FRACTION * device.gpu.total


def _too_small(entry: QueueEntry, devices: list[QueueDevice], enough: int) -> str:
    if len(devices) < entry.devices:
        return f"it needs {entry.devices} GPUs, and {len(devices)} are there"
    assert entry.needed is not None  # else any device is large enough
    needed = format_bytes(entry.needed)
    largest = max(devices, key=lambda device: device.total or 0)
    size = format_bytes(largest.total or 0)
    if entry.devices > 1:
        return f"it needs {needed} on {entry.devices} GPUs, and {enough} of them have so much"
    return f"it needs {needed}, and {largest.label} has {size}"


def _why_not(
    entry: QueueEntry,
    devices: list[QueueDevice],
    ready: list[QueueDevice],
    reserved: Collection[str],
) -> str:
    held = [device for device in devices if device.holder is not None]
    full = [device for device in devices if device.holder is None and not _has_room(entry, device)]
    parts = [f"{device.holder} has {device.label}" for device in held]
    parts += [f"{device.label} has {format_bytes(device.free or 0)} free" for device in full]
    if any(device.id in reserved for device in devices if device not in held):
        parts.append("runs before it wait for the same device")
    need = f"needs {format_bytes(entry.needed)}" if entry.needed is not None else "no estimate"
    several = f"has {len(ready)} of {entry.devices} GPUs; " if entry.devices > 1 else ""
    return f"{several}{need}: {', '.join(parts)}" if full else f"{several}{', '.join(parts)}"
