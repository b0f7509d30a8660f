"""The devices of this machine as the queue sees them: memory, and the run that has each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.main_memory import available_memory, total_memory
from deepsynth_tui.machine.nvml import Probe, device_label
from deepsynth_tui.runs import device_lock
from deepsynth_tui.runs.device_lock import CPU
from deepsynth_tui.runs.live_runs import live_summaries
from deepsynth_tui.runs.liveness import STARTING, WAITING
from deepsynth_tui.runs.summary import RunSummary

BEFORE_MEMORY = (STARTING, "loading", "preparing")
"""Phases of training in which a run has not yet taken all of its GPU's memory."""


@dataclass(frozen=True, slots=True)
class QueueDevice:
    """A GPU or the CPU, with bytes of its memory, None where the system does not report them.

    `holder` is the run that has it, None if it is free. `gpu` is what NVML says of a GPU.
    """

    id: str
    label: str
    total: int | None
    free: int | None
    holder: str | None = None
    gpu: nvml.Device | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """The CPU, and the GPUs in the order of NVML; `no_gpus` says why there are none."""

    cpu: QueueDevice
    gpus: tuple[QueueDevice, ...] = ()
    no_gpus: str = ""


def read_machine(home: Path, probe: Probe | None = None) -> Machine:
    """Read memory and holders of all devices. Runs that were not started by the queue count, too.

    `probe` replaces what NVML says.
    """
    probe = probe or nvml.probe()
    holders = {run for run, _ in device_lock.held_devices(home)}
    others = [run for run in live_summaries(home) if run.id not in holders]
    starting = _first(run for run in others if run.kind == "training" and _grows(run))
    on_cpu = _first(
        run
        for run in others
        if run.state != WAITING and (run.kind == "dataset" or not probe.devices)
    )
    gpus = tuple(
        QueueDevice(
            id=device.uuid,
            label=device_label(device),
            total=device.total,
            free=device.free,
            holder=device_lock.holder(home, device.uuid) or starting,
            gpu=device,
        )
        for device in probe.devices
    )
    cpu = QueueDevice(
        CPU, "the CPU", total_memory(), available_memory(), device_lock.holder(home, CPU) or on_cpu
    )
    return Machine(cpu, gpus, probe.reason)


def visible_gpus(gpus: Sequence[QueueDevice], visible: str | None) -> list[QueueDevice]:
    """Return the GPUs that a run with this CUDA_VISIBLE_DEVICES may use; None: all."""
    if visible is None:
        return list(gpus)
    devices = [gpu.gpu for gpu in gpus if gpu.gpu is not None]
    selected: Collection[str] = {gpu.uuid for gpu in nvml.visible_devices(devices, visible)}
    return [gpu for gpu in gpus if gpu.id in selected]


def _grows(run: RunSummary) -> bool:
    return run.state != WAITING and run.phase in BEFORE_MEMORY


def _first(runs: Iterable[RunSummary]) -> str | None:
    return next((run.id for run in runs), None)
