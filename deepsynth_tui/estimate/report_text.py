"""Fit reports and GPUs as plain text for the command line, and GPUs as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.estimate.fixes import MAX_BATCH_SIZE
from deepsynth_tui.estimate.report import FitReport, GpuFit
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.storage import StorageEstimate
from deepsynth_tui.machine.gpu_catalogue import Fit, Gpu
from deepsynth_tui.machine.nvml import Device, Probe, device_label
from deepsynth_tui.models.towers import adapted_by_tower
from deepsynth_tui.units import GIB, format_bytes, format_dollars, format_seconds

SOURCES = {
    "closed_form": "computed from the model's shapes, not measured",
    "simulated": "simulated",
    "measured": "measured",
}


def report_text(report: FitReport, title: str, *, gpu: str | None = None) -> str:
    """Return the report under a title, one figure per line.

    Fixes are listed for the GPU called `gpu`. Without it, they are listed for the GPUs of this
    machine that are too small or, if there are none, for those of the catalogue.
    """
    estimate = report.estimate
    parts = [
        _memory(report),
        _trained(estimate, report),
        _machine_gpus(report.machine_gpus),
        _catalogue_gpus(estimate, report.catalogue_gpus),
        _fixes(report, gpu),
        _float16(report, gpu),
        _storage(report.storage),
        _page_features(estimate),
        (f"! {warning}" for warning in (*estimate.warnings, *report.storage.shortages)),
    ]
    return "\n".join([title, *(f"  {line}" for part in parts for line in part)])


def ranks_text(report: FitReport) -> str:
    """Return the estimates of all ranks, one per line, the current one marked; empty without
    LoRA."""
    lines = [
        f"  {'*' if rank.is_current else ' '} rank {rank.r:<5}"
        f"{rank.trainable_params:>13,} parameters{_size(rank.needed):>12} needed"
        f"{_size(rank.adapter_bytes):>13} on disk"
        for rank in report.ranks
    ]
    return "\n".join(lines)


def gpus_json(probe: Probe, gpus: Sequence[Gpu]) -> dict[str, Any]:
    """Return the GPUs of this machine, the reason why some or all are missing, the catalogue."""
    return {
        "devices": [asdict(device) for device in probe.devices],
        "reason": probe.reason,
        "driver": probe.driver,
        "catalogue": [asdict(gpu) for gpu in gpus],
    }


def gpus_text(probe: Probe, gpus: Sequence[Gpu]) -> str:
    """Return the same as text, one GPU per line."""
    devices = [_device_line(device) for device in probe.devices]
    if probe.reason:
        devices.append(f"  {probe.reason}")
    driver = f" (driver {probe.driver})" if probe.driver else ""
    catalogue = [
        f"  {gpu.name:<18}{gpu.usable_gib:>8.1f} GiB usable  {_price(gpu.price_per_hour)}"
        for gpu in gpus
    ]
    return "\n".join(
        [f"GPUs of this machine{driver}:", *devices, "GPUs of the catalogue:", *catalogue]
    )


def _memory(report: FitReport) -> Iterator[str]:
    estimate = report.estimate
    yield f"needs {_size(estimate.needed)} of GPU memory ({SOURCES[estimate.source]})"
    for item, size in estimate.breakdown.items():
        if size:
            yield f"  {item:<13}{_size(size):>11}"
    yield f"nvidia-smi may show {_size(estimate.peak_device)}"
    run = report.measured
    if run is not None and run.measured.allocated is not None:
        yield (
            f"a run with these settings allocated {_size(run.measured.allocated)} on {run.gpu} "
            f"(measured); the estimate is {_size(estimate.peak_allocated)}"
        )


def _trained(estimate: Estimate, report: FitReport) -> Iterator[str]:
    percent = 100 * estimate.trainable_params / max(estimate.total_params, 1)
    yield (
        f"trains {estimate.trainable_params:,} of {estimate.total_params:,} parameters "
        f"({percent:.3g} %)"
    )
    adapted = adapted_by_tower(estimate.adapted)
    for tower, count in estimate.trainable_by_tower.items():
        yield f"  {tower:<15}{count:>13,}"
        if modules := adapted.get(tower):  # pyright: ignore[reportArgumentType] - parts have none
            listed = ", ".join(f"{name} x {number}" for name, number in modules.items())
            yield f"    {sum(modules.values())} adapters: {listed}"
    dataset = report.dataset
    counted = (
        f"counted in {dataset.counted:,} rows" if dataset.lengths else "the limit, not counted"
    )
    yield f"longest row {estimate.tokens_per_sample} tokens ({counted})"
    if estimate.steps is not None:
        yield f"{estimate.steps:,} steps"
    yield f"{estimate.speed_multiplier:.2f} times the speed of full fine-tuning"
    yield f"learning rate by the rule of tinker-cookbook: {report.learning_rate.text}"


def _catalogue_gpus(estimate: Estimate, gpus: Sequence[GpuFit]) -> Iterator[str]:
    yield "headroom, largest batch, seconds per step, whole run, cost (computed):"
    for row, gpu in zip(estimate.gpus, gpus, strict=True):
        low, high = row.seconds_range
        line = f"{_fit(gpu)}{f'{low:.3g}-{high:.3g} s':>15}"
        if estimate.steps is not None:
            seconds = estimate.steps * row.seconds_per_step + row.encoding_seconds
            line += f"{format_seconds(seconds):>10}"
        yield line if row.cost is None else f"{line}{format_dollars(row.cost):>9}"


def _machine_gpus(gpus: Sequence[GpuFit]) -> Iterator[str]:
    for gpu in gpus:
        yield f"{_fit(gpu)}  {_size(gpu.available)} free now"


def _fit(gpu: GpuFit) -> str:
    batch = f"{'>= ' if gpu.batch >= MAX_BATCH_SIZE else ''}{gpu.batch}"
    return f"{gpu.fit.value:<6}{gpu.name:<17}{gpu.headroom / GIB:>+8.2f} GiB  batch {batch:<5}"


def _fixes(report: FitReport, name: str | None) -> Iterator[str]:
    """One paragraph for each fix, with the GPUs for which it is the cheapest."""
    by_fix: dict[str, list[GpuFit]] = {}
    for gpu in _gpus_to_fix(report, name):
        if gpu.fit is not Fit.NO:
            yield f"{gpu.name} needs no change"
            if gpu.faster:
                yield f"faster on {gpu.name}: {gpu.faster.words}; {gpu.faster.effect}"
                yield f"  {_overrides(gpu.faster.changes)}"
        else:
            by_fix.setdefault(gpu.fix.words if gpu.fix else "", []).append(gpu)
    for words, gpus in by_fix.items():
        names = ", ".join(gpu.name for gpu in gpus)
        fix = gpus[0].fix
        if fix is None:
            yield f"no change of one or two settings makes it fit {names}"
        else:
            yield f"to fit {names}: {words}; needs {_size(fix.needed)}; {fix.effect}"
            yield f"  {_overrides(fix.changes)}"


def _float16(report: FitReport, name: str | None) -> Iterator[str]:
    """The change for GPUs without bfloat16: those of this machine, and the one called `name`."""
    gpus = (*report.machine_gpus, *(gpu for gpu in report.catalogue_gpus if gpu.name == name))
    for gpu in gpus:
        if gpu.float16 and name in (None, gpu.name):
            yield f"{gpu.name} has no bfloat16, which a run refuses to emulate: use float16"
            yield f"  {_overrides(gpu.float16)}"


def _gpus_to_fix(report: FitReport, name: str | None) -> list[GpuFit]:
    """The GPUs to list fixes for."""
    if name is not None:
        gpus = (*report.machine_gpus, *report.catalogue_gpus)
        return [gpu for gpu in gpus if gpu.name == name]
    too_small = [gpu for gpu in report.machine_gpus if gpu.fit is Fit.NO]
    return too_small or [gpu for gpu in report.catalogue_gpus if gpu.fit is Fit.NO]


def _overrides(changes: Mapping[str, Any]) -> str:
    return " ".join(f"--set {key}={as_text(value)}" for key, value in changes.items())


def _storage(storage: StorageEstimate) -> Iterator[str]:
    disk, memory = storage.disk, storage.memory
    yield (
        f"disk {_size(disk.needed)} (checkpoints {disk.checkpoints} x {_size(disk.checkpoint)}, "
        f"result {_size(disk.final)}); {_size(storage.disk_free)} free"
    )
    free = "" if storage.memory_free is None else f"; {_size(storage.memory_free)} free"
    yield f"main memory {_size(memory.needed)} to load and save{free}"


def _page_features(estimate: Estimate) -> Iterator[str]:
    features = estimate.page_features
    if features is None:
        return
    of_all = "" if features.disk is None else f", {_size(features.disk)} for {features.pages:,}"
    yield (
        f"page features {_size(features.page)} of disk per page{of_all}; encoded once, read "
        f"{features.passes:.3g} times"
    )


def _size(count: int) -> str:
    return format_bytes(count, digits=2)


def _price(price: float | None) -> str:
    return "no price known" if price is None else f"{format_dollars(price)} per hour"


def _device_line(device: Device) -> str:
    line = f"  {device_label(device)}, {_size(device.free)} free of {_size(device.total)}"
    if device.lacks_bfloat16:
        line += ", no bfloat16"
    if device.processes:
        line += f", {len(device.processes)} processes"
    if device.utilisation is not None:
        line += f", {device.utilisation} % busy"
    if device.temperature is not None:
        line += f", {device.temperature} °C"
    if device.power is not None:
        line += f", {device.power:.0f} W"
    return line
