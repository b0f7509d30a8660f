"""The table of GPUs as text: memory left, seconds per step, largest batch and cost. Pure."""

from __future__ import annotations

from itertools import accumulate
from textwrap import wrap

from textual.content import Content

from deepsynth_tui.estimate.report import GpuFit
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.machine.nvml import Device
from deepsynth_tui.tui.fit.gpu_rows import FIT_SIGNS, GpuRow
from deepsynth_tui.tui.fit.view import FitView
from deepsynth_tui.units import GIB, format_dollars, format_range

LABEL_WIDTH = 16
NAME_WIDTH = 9 + LABEL_WIDTH
COLUMNS = (("free", 6), ("s/step", 8), ("batch", 6), ("cost", 6))
"""Columns after the name and their widths, most important first: a narrow panel drops the last."""


def gpu_table(view: FitView, width: int) -> list[tuple[str, Content]]:
    """Return the lines of the table, each with the name of its GPU (empty for none)."""
    lines = [("", _header(width))]
    if view.probe and not view.probe.devices:
        reason = wrap(f"No GPU on this machine: {view.probe.reason}", max(width - 2, 20))
        lines += [("", Content.styled(f"  {line}", "$muted")) for line in reason]
    for row in view.gpu_rows:
        baseline = view.baseline_rows.get(row.name, row)
        line = _line(
            row,
            view.fit_of(row),
            width,
            is_selected=row == view.selected_gpu,
            fit_changed=baseline.fit is not row.fit,
        )
        lines.append((row.name, line))
        if row.device:
            lines.append((row.name, Content.styled(f"  {device_status(row.device)}", "$muted")))
    return lines


def device_status(device: Device) -> str:
    """Return the current use of a GPU of this machine."""
    parts = [f"{device.free / GIB:.1f} of {device.total / GIB:.1f} GiB free"]
    if count := len(device.processes):
        parts.append(f"{count} processes" if count > 1 else "1 process")
    if device.utilisation is not None:
        parts.append(f"{device.utilisation} %")
    if device.temperature is not None:
        parts.append(f"{device.temperature} °C")
    return ", ".join(parts)


def _label(row: GpuRow) -> str:
    """Return the name of a row; for a GPU of this machine, its index and model."""
    if row.device is None:
        return row.name
    index = row.name.partition(":")[0].removeprefix("GPU ")
    model = row.estimate.gpu.name if row.estimate else row.device.name.removeprefix("NVIDIA ")
    label = f"{index}: {model}"
    return label if len(label) <= LABEL_WIDTH else f"{label[: LABEL_WIDTH - 1]}…"


def _columns(width: int) -> tuple[tuple[str, int], ...]:
    """Return the columns that fit in `width` cells."""
    ends = accumulate((size for _, size in COLUMNS), initial=NAME_WIDTH)
    return tuple(
        column for column, end in zip(COLUMNS, list(ends)[1:], strict=True) if end <= width
    )


def _header(width: int) -> Content:
    columns = "".join(name.rjust(size) for name, size in _columns(width))
    return Content.styled(f"{'  computed, in GiB, s, $'.ljust(NAME_WIDTH)}{columns}", "$muted")


def _line(
    row: GpuRow, fit: GpuFit | None, width: int, *, is_selected: bool, fit_changed: bool
) -> Content:
    sign, style = FIT_SIGNS[row.fit]
    estimate, free = row.estimate, row.headroom / GIB
    # A GPU of this machine costs nothing by the hour.
    cost = estimate.cost if estimate and row.device is None else None
    cells = {
        "free": f"{free:+.1f}" if abs(free) < 99.95 else f"{free:+.0f}",
        "s/step": format_range(*estimate.seconds_range) if estimate else "",
        "batch": str(fit.batch) if fit else "…",
        "cost": format_dollars(cost) if cost is not None else "",
    }
    figures = "".join(cells[name].rjust(size) for name, size in _columns(width))
    name_style = "bold" if is_selected else "dim" if row.fit is Fit.NO else ""
    return Content.assemble(
        ("▸" if is_selected else " ", "bold $text-accent"),
        (f"{sign} {row.fit.value}".ljust(8), f"reverse {style}" if fit_changed else style),
        (_label(row).ljust(LABEL_WIDTH), name_style),
        (figures, "bold" if is_selected else "$muted"),
    )
