"""The fit matrix in lines: has each GPU room, for how many rows, how fast, how dear. Pure."""

from __future__ import annotations

from itertools import accumulate
from textwrap import wrap

from textual.content import Content

from deepsynth_tui.estimate.report import GpuFit
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.machine.nvml import Device
from deepsynth_tui.tui.fit.figures import SIGNS, money, span
from deepsynth_tui.tui.fit.gpu_rows import Row
from deepsynth_tui.tui.fit.view import FitView
from deepsynth_tui.units import GIB

LABEL_WIDTH = 16
NAME_WIDTH = 9 + LABEL_WIDTH
COLUMNS = (("room", 6), ("s/step", 8), ("batch", 6), ("cost", 6))
"""Columns after the name, the most wanted first: a narrow panel has only the first of them."""


def matrix(view: FitView, width: int) -> list[tuple[str, Content]]:
    """Return the lines, each with the name of the GPU that it is about."""
    was = {row.name: row.fit for row in view.rows_before}
    lines = [("", _headings(width))]
    if view.probe and not view.probe.devices:
        said = wrap(f"No GPU here: {view.probe.reason}", max(width - 2, 20))
        lines += [("", Content.styled(f"  {line}", "$muted")) for line in said]
    for row in view.rows:
        turned = was.get(row.name, row.fit) is not row.fit
        line = _line(row, view.place_of(row), width, chosen=row == view.row, turned=turned)
        lines.append((row.name, line))
        if row.device:
            lines.append((row.name, Content.styled(f"  {now_text(row.device)}", "$muted")))
    return lines


def now_text(device: Device) -> str:
    """Return what goes on in a GPU of this machine now."""
    total = f"{device.total / GIB:.1f}"
    said = [f"now {device.free / GIB:.1f} of {total} GB free"]
    if count := len(device.processes):
        said.append(f"{count} processes" if count > 1 else "1 process")
    if device.utilisation is not None:
        said.append(f"{device.utilisation} %")
    if device.temperature is not None:
        said.append(f"{device.temperature} °C")
    return ", ".join(said)


def _label(row: Row) -> str:
    """Return the name of a row; that of a GPU of this machine begins with its place."""
    if row.device is None:
        return row.name
    place = row.name.partition(":")[0].removeprefix("GPU ")
    kind = row.on.gpu.name if row.on else row.device.name.removeprefix("NVIDIA ")
    said = f"{place}: {kind}"
    return said if len(said) <= LABEL_WIDTH else f"{said[: LABEL_WIDTH - 1]}…"


def _columns(width: int) -> tuple[tuple[str, int], ...]:
    """Return the columns for which there is room."""
    ends = accumulate((size for _, size in COLUMNS), initial=NAME_WIDTH)
    return tuple(
        column for column, end in zip(COLUMNS, list(ends)[1:], strict=True) if end <= width
    )


def _headings(width: int) -> Content:
    named = "".join(name.rjust(size) for name, size in _columns(width))
    return Content.styled(f"{'  computed; GB, s, $'.ljust(NAME_WIDTH)}{named}", "$muted")


def _line(row: Row, place: GpuFit | None, width: int, *, chosen: bool, turned: bool) -> Content:
    sign, style = SIGNS[row.fit]
    on, free = row.on, row.headroom / GIB
    said = {
        "room": f"{free:+.1f}" if abs(free) < 99.95 else f"{free:+.0f}",
        "s/step": span(*on.seconds_range) if on else "",
        "batch": str(place.batch) if place else "…",
        "cost": money(on.cost) if on and on.cost is not None and row.device is None else "",
    }
    figures = "".join(said[name].rjust(size) for name, size in _columns(width))
    quiet = "dim" if row.fit is Fit.NO else ""
    return Content.assemble(
        ("▸" if chosen else " ", "bold $text-accent"),
        (f"{sign} {row.fit.value}".ljust(8), f"reverse {style}" if turned else style),
        (_label(row).ljust(LABEL_WIDTH), "bold" if chosen else quiet),
        (figures, "bold" if chosen else "$muted"),
    )
