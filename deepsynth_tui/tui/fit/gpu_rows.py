"""Rows of the GPU table: GPUs of this machine with their free memory, then the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.estimate.resources import Estimate, GpuEstimate
from deepsynth_tui.machine.gpu_catalogue import Fit, classify_fit
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.machine.nvml import Device, Probe, device_label

FIT_SIGNS = {
    Fit.FITS: ("✓", "$text-success"),
    Fit.TIGHT: ("~", "$text-warning"),
    Fit.NO: ("✗", "$text-error"),
}
"""Sign and colour of each `Fit`. The signs differ, so that they can be read without colour."""


@dataclass(frozen=True, slots=True)
class GpuRow:
    """A GPU, and whether the run fits it.

    Attributes:
        name: Name in the table.
        available: Bytes a run can use: free memory of a GPU of this machine, usable memory of a
            GPU of the catalogue.
        fit: Whether the run fits.
        headroom: Bytes left over, negative if the run does not fit.
        estimate: Time and cost on this GPU, None if the catalogue does not have it.
        device: The GPU of this machine, None for a GPU of the catalogue.
    """

    name: str
    available: int
    fit: Fit
    headroom: int
    estimate: GpuEstimate | None = None
    device: Device | None = None


def gpu_rows(estimate: Estimate, probe: Probe | None) -> tuple[GpuRow, ...]:
    """Return the rows in the order they are shown."""
    devices = probe.devices if probe else ()
    return (
        *(_device_row(device, estimate) for device in devices),
        *(
            GpuRow(gpu.gpu.name, gpu.gpu.usable_bytes, gpu.fit, gpu.headroom, estimate=gpu)
            for gpu in estimate.gpus
        ),
    )


def select_row(rows: Sequence[GpuRow], name: str) -> GpuRow | None:
    """Return the row called `name`, else a GPU of this machine, else the first one too small."""
    by_name = (row for row in rows if row.name == name)
    local = (row for row in rows if row.device)
    too_small = (row for row in rows if row.fit is Fit.NO)
    return next((row for group in (by_name, local, too_small, rows) for row in group), None)


def _device_row(device: Device, estimate: Estimate) -> GpuRow:
    model = None
    if device.slice_of is None:
        model = match_gpu(device.name, device.total, [gpu.gpu for gpu in estimate.gpus])
    return GpuRow(
        name=device_label(device),
        available=device.free,
        fit=classify_fit(device.free, estimate.needed),
        headroom=device.free - estimate.needed,
        estimate=next((gpu for gpu in estimate.gpus if gpu.gpu is model), None),
        device=device,
    )
