"""Answers and GPUs as plain text and JSON for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.estimate.fixes import MAX_BATCH_SIZE, Fix
from deepsynth_tui.estimate.report import FitReport, GpuFit
from deepsynth_tui.estimate.storage import StorageEstimate
from deepsynth_tui.machine.gpu_catalogue import Fit, Gpu
from deepsynth_tui.machine.nvml import Device, Probe
from deepsynth_tui.models.towers import adapted_by_tower
from deepsynth_tui.units import GIB

SOURCES = {
    "closed_form": "computed from the model's shapes, not measured",
    "simulated": "simulated",
    "measured": "measured",
}


def report_text(answer: FitReport, title: str, *, wanted: str | None = None) -> str:
    """The whole answer under a title, one figure a line. GB are 2^30 bytes.

    What would make the run fit is said of the GPU called `wanted`; without it, of those of this
    machine that are too small; where none is, of all that are.
    """
    estimate = answer.estimate
    parts = [
        _memory(answer),
        _trained(estimate, answer),
        _here(answer.machine_gpus),
        _gpus(estimate, answer.catalogue_gpus),
        _remedies(answer, wanted),
        _storage(answer.storage),
        (f"! {warning}" for warning in (*estimate.warnings, *answer.storage.shortages)),
    ]
    return "\n".join([title, *(f"  {line}" for part in parts for line in part)])


def ranks_text(answer: FitReport) -> str:
    """What every rank would take, one a line, the present one marked; empty without LoRA."""
    lines = [
        f"  {'*' if rank.is_current else ' '} rank {rank.r:<5}"
        f"{rank.trainable_params:>13,} parameters{_gb(rank.needed):>11} needed"
        f"{_gb(rank.adapter_bytes):>12} on disk"
        for rank in answer.ranks
    ]
    return "\n".join(lines)


def gpus_json(probe: Probe, gpus: Sequence[Gpu]) -> dict[str, Any]:
    """The GPUs of this machine, why there are none, and the catalogue."""
    return {
        "devices": [asdict(device) for device in probe.devices],
        "reason": probe.reason,
        "driver": probe.driver,
        "catalogue": [asdict(gpu) for gpu in gpus],
    }


def gpus_text(probe: Probe, gpus: Sequence[Gpu]) -> str:
    """The same as text, one GPU a line."""
    here = [_device_line(device) for device in probe.devices] or [f"  {probe.reason}"]
    driver = f" (driver {probe.driver})" if probe.driver else ""
    known = [
        f"  {gpu.name:<18}{gpu.usable_gib:>8.1f} GB usable  {_price(gpu.price_per_hour)}"
        for gpu in gpus
    ]
    return "\n".join([f"GPUs of this machine{driver}:", *here, "Estimates are made for:", *known])


def _memory(answer: FitReport) -> Iterator[str]:
    estimate = answer.estimate
    yield f"needs {_gb(estimate.needed)} of GPU memory ({SOURCES[estimate.source]})"
    for item, size in estimate.breakdown.items():
        if size:
            yield f"  {item:<13}{_gb(size):>10}"
    yield f"nvidia-smi may show {_gb(estimate.peak_device)}"
    run = answer.measured
    if run is not None and run.measured.allocated is not None:
        yield (
            f"a run with these settings took {_gb(run.measured.allocated)} on {run.gpu}, "
            f"{_gb(estimate.peak_allocated)} estimated (allocated by PyTorch, measured)"
        )


def _trained(estimate: Estimate, answer: FitReport) -> Iterator[str]:
    share = 100 * estimate.trainable_params / max(estimate.total_params, 1)
    yield (
        f"trains {estimate.trainable_params:,} of {estimate.total_params:,} parameters "
        f"({share:.3g} %)"
    )
    adapted = adapted_by_tower(estimate.adapted)
    for tower, count in estimate.trainable_by_tower.items():
        yield f"  {tower:<15}{count:>13,}"
        if called := adapted.get(tower):  # pyright: ignore[reportArgumentType] - parts have none
            listed = ", ".join(f"{name} x {times}" for name, times in called.items())
            yield f"    {sum(called.values())} adapters: {listed}"
    dataset = answer.dataset
    counted = (
        f"counted in {dataset.counted:,} rows" if dataset.lengths else "the limit, not counted"
    )
    yield f"longest row {estimate.tokens_per_sample} tokens ({counted})"
    if estimate.steps is not None:
        yield f"{estimate.steps:,} steps"
    yield f"{estimate.speed_multiplier:.2f} times the speed of full fine-tuning"


def _gpus(estimate: Estimate, places: Sequence[GpuFit]) -> Iterator[str]:
    yield "memory left, largest batch, seconds a step, whole run, cost (computed):"
    for row, place in zip(estimate.gpus, places, strict=True):
        low, high = row.seconds_range
        line = f"{_judgement(place)}{f'{low:.3g}-{high:.3g} s':>15}"
        if estimate.steps is not None:
            line += f"{_duration(estimate.steps * row.seconds_per_step):>10}"
        yield line if row.cost is None else f"{line}{f'${row.cost:.2f}':>9}"


def _here(places: Sequence[GpuFit]) -> Iterator[str]:
    for place in places:
        yield f"{_judgement(place)}  free here now {_gb(place.available)}"


def _judgement(place: GpuFit) -> str:
    most = f"{'>= ' if place.batch >= MAX_BATCH_SIZE else ''}{place.batch}"
    return f"{place.fit.value:<6}{place.name:<17}{place.headroom / GIB:>+8.2f} GB  batch {most:<5}"


def _remedies(answer: FitReport, wanted: str | None) -> Iterator[str]:
    """One paragraph for each change, with the GPUs it is the cheapest for."""
    together: dict[str, list[GpuFit]] = {}
    for place in _asked(answer, wanted):
        if place.fit is not Fit.NO:
            yield f"{place.name} needs no change"
        else:
            together.setdefault(place.fix.words if place.fix else "", []).append(place)
    for words, places in together.items():
        names = ", ".join(place.name for place in places)
        remedy = places[0].fix
        if remedy is None:
            yield f"no change of one or two settings makes it fit {names}"
        else:
            yield f"to fit {names}: {words}; needs {_gb(remedy.needed)}; {remedy.effect}"
            yield f"  {_overrides(remedy)}"


def _asked(answer: FitReport, wanted: str | None) -> list[GpuFit]:
    """The GPUs of which it is said what would help."""
    if wanted is not None:
        return [
            place
            for place in (*answer.machine_gpus, *answer.catalogue_gpus)
            if place.name == wanted
        ]
    short = [place for place in answer.machine_gpus if place.fit is Fit.NO]
    return short or [place for place in answer.catalogue_gpus if place.fit is Fit.NO]


def _overrides(remedy: Fix) -> str:
    return " ".join(f"--set {key}={as_text(value)}" for key, value in remedy.changes.items())


def _storage(found: StorageEstimate) -> Iterator[str]:
    disk, memory = found.disk, found.memory
    yield (
        f"disk {_gb(disk.needed)} (checkpoints {disk.checkpoints} x {_gb(disk.checkpoint)}, "
        f"result {_gb(disk.final)}); {_gb(found.disk_free)} free"
    )
    free = "" if found.memory_free is None else f"; {_gb(found.memory_free)} free"
    yield f"main memory {_gb(memory.needed)} to load and save{free}"


def _gb(size: int) -> str:
    return f"{size / GIB:.2f} GB" if size >= GIB / 10 else f"{size / 2**20:.2f} MB"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _price(price: float | None) -> str:
    return "no price known" if price is None else f"${price:.2f} an hour"


def _device_line(device: Device) -> str:
    place = f"{device.slice_of}.{device.index}" if device.slice_of is not None else device.index
    line = f"  {place}: {device.name}, {_gb(device.free)} free of {_gb(device.total)}"
    if device.processes:
        line += f", {len(device.processes)} processes on it"
    if device.utilisation is not None:
        line += f", {device.utilisation} % busy"
    if device.temperature is not None:
        line += f", {device.temperature} °C"
    if device.power is not None:
        line += f", {device.power:.0f} W"
    return line
