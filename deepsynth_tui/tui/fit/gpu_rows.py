"""The rows of the fit matrix: this machine's GPUs as they are now, then the catalogue. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.estimate.closed_form import Estimate, GpuEstimate
from deepsynth_tui.estimate.report import device_label
from deepsynth_tui.machine.gpu_catalogue import Fit, classify_fit
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.machine.nvml import Device, Probe


@dataclass(frozen=True, slots=True)
class Row:
    """One GPU. `room` bytes can be had of it, `headroom` of them are left over.

    `on` is its estimate in the catalogue, None for a GPU of this machine that the catalogue does
    not have. `device` is there for a GPU of this machine: its room is what is free now.
    """

    name: str
    room: int
    fit: Fit
    headroom: int
    on: GpuEstimate | None = None
    device: Device | None = None


def rows(estimate: Estimate, probe: Probe | None) -> tuple[Row, ...]:
    """Return the rows in the order of the screen."""
    here = probe.devices if probe else ()
    return (
        *(_device_row(device, estimate) for device in here),
        *(
            Row(on.gpu.name, on.gpu.usable_bytes, on.fit, on.headroom, on=on)
            for on in estimate.gpus
        ),
    )


def chosen_row(found: Sequence[Row], name: str) -> Row | None:
    """Return the row called `name`; without one, that of this machine or the first without room."""
    named = next((row for row in found if row.name == name), None)
    here = next((row for row in found if row.device), None)
    lacking = next((row for row in found if row.fit is Fit.NO), None)
    return named or here or lacking or next(iter(found), None)


def _device_row(device: Device, estimate: Estimate) -> Row:
    kind = None
    if device.slice_of is None:
        kind = match_gpu(device.name, device.total, [on.gpu for on in estimate.gpus])
    return Row(
        name=device_label(device),
        room=device.free,
        fit=classify_fit(device.free, estimate.needed),
        headroom=device.free - estimate.needed,
        on=next((on for on in estimate.gpus if on.gpu is kind), None),
        device=device,
    )
