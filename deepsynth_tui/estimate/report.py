"""Estimates and GPUs as plain text and JSON for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from deepsynth_tui.estimate.closed_form import Estimate, GpuEstimate
from deepsynth_tui.estimate.machine.devices import Device, Probe
from deepsynth_tui.estimate.machine.gpus import GIB, Gpu

SOURCES = {
    "closed_form": "computed from the model's shapes, not measured",
    "simulated": "simulated",
    "measured": "measured",
}


def text(estimate: Estimate, title: str) -> str:
    """The whole estimate under a title, one figure a line. GB are 2^30 bytes."""
    share = 100 * estimate.trainable_params / max(estimate.total_params, 1)
    lines = [
        title,
        f"  needs {_gb(estimate.needed)} of GPU memory ({SOURCES[estimate.source]})",
        *(f"    {item:<13}{_gb(size):>10}" for item, size in estimate.breakdown.items() if size),
        f"  nvidia-smi may show {_gb(estimate.peak_device)}",
        f"  trains {estimate.trainable_params:,} of {estimate.total_params:,} parameters "
        f"({share:.3g} %)",
        *(f"    {tower:<13}{count:>15,}" for tower, count in estimate.trainable_by_tower.items()),
        f"  longest row {estimate.tokens_per_sample} tokens",
        f"  {estimate.speed_multiplier:.2f} times the speed of full fine-tuning",
        *(_gpu_line(row) for row in estimate.gpus),
        *(f"  ! {warning}" for warning in estimate.warnings),
    ]
    return "\n".join(lines)


def gpus_json(probe: Probe, gpus: Sequence[Gpu]) -> dict[str, Any]:
    """The GPUs of this machine, why there are none, and the catalogue."""
    return {
        "devices": [asdict(device) for device in probe.devices],
        "reason": probe.reason,
        "catalogue": [asdict(gpu) for gpu in gpus],
    }


def gpus_text(probe: Probe, gpus: Sequence[Gpu]) -> str:
    """The same as text, one GPU a line."""
    here = [_device_line(device) for device in probe.devices] or [f"  {probe.reason}"]
    known = [
        f"  {gpu.name:<18}{gpu.usable_gib:>8.1f} GB usable  {_price(gpu.price_per_hour)}"
        for gpu in gpus
    ]
    return "\n".join(["GPUs of this machine:", *here, "Estimates are made for:", *known])


def _gb(size: int) -> str:
    return f"{size / GIB:.2f} GB"


def _price(price: float | None) -> str:
    return "no price known" if price is None else f"${price:.2f} an hour"


def _gpu_line(row: GpuEstimate) -> str:
    room = f"{_gb(abs(row.headroom))} {'free' if row.headroom >= 0 else 'short'}"
    cost = "" if row.cost is None else f"  ${row.cost:.2f}"
    return (
        f"  {row.fit.value:<6}{row.gpu.name:<18}{room:>16}{row.seconds_per_step:>9.1f} s/step{cost}"
    )


def _device_line(device: Device) -> str:
    place = f"{device.slice_of}.{device.index}" if device.slice_of is not None else device.index
    line = f"  {place}: {device.name}, {_gb(device.free)} free of {_gb(device.total)}"
    if device.utilisation is not None:
        line += f", {device.utilisation} % busy"
    if device.temperature is not None:
        line += f", {device.temperature} °C"
    return line
