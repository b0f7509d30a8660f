"""Text on the selected GPU: memory left, time and cost, and what makes the run fit. Pure."""

from __future__ import annotations

from textwrap import wrap

from textual.content import Content

from deepsynth_tui.estimate.fixes import MAX_BATCH_SIZE
from deepsynth_tui.estimate.report import GpuFit
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.tui.fit.delta import append_delta, format_delta
from deepsynth_tui.tui.fit.gpu_rows import FIT_SIGNS, GpuRow
from deepsynth_tui.tui.fit.view import FitView
from deepsynth_tui.units import format_bytes, format_dollars, format_number, format_range

FIT_TEXTS = {Fit.FITS: "fits", Fit.TIGHT: "tight", Fit.NO: "does not fit"}
LINE_COUNT = 5


def selected_gpu_lines(view: FitView, width: int, key: str) -> list[Content]:
    """Return `LINE_COUNT` lines of `width` cells; `key` is the key that applies the fix."""
    row = view.selected_gpu
    if row is None:
        return [Content("")] * LINE_COUNT
    previous = view.baseline_rows.get(row.name)
    sign, style = FIT_SIGNS[row.fit]
    lines = [
        Content.assemble((f"{row.name}  ", "bold"), (f"{sign} {FIT_TEXTS[row.fit]}", style)),
        _memory(row, previous, view.selected_fit),
        _time(row, previous, view.estimate),
        *_fix(row, view.selected_fit, width, key),
    ]
    return [*lines, *[Content("")] * LINE_COUNT][:LINE_COUNT]


def _memory(row: GpuRow, previous: GpuRow | None, fit: GpuFit | None) -> Content:
    if fit is None:
        batch = "…"
    elif fit.batch == 0:
        batch = "0: not even one row fits"
    else:
        batch = f"{fit.batch} or more" if fit.batch >= MAX_BATCH_SIZE else str(fit.batch)
    memory = f"{format_bytes(abs(row.headroom))} {'free' if row.headroom >= 0 else 'short'}"
    change = format_delta(row.headroom, previous.headroom if previous else None, format_bytes)
    return append_delta(memory, change) + Content.styled(f" · largest batch {batch}", "$muted")


def _time(row: GpuRow, previous: GpuRow | None, estimate: Estimate) -> Content:
    on_gpu = row.estimate
    if on_gpu is None:
        return Content.styled("Speed unknown: this GPU is not in the catalogue.", "$muted")
    low, high = on_gpu.seconds_range
    run = ""
    if estimate.steps is not None:
        hours = format_range(low * estimate.steps / 3600, high * estimate.steps / 3600)
        run = f" · {hours} h"
    if on_gpu.cost is not None and row.device is None:
        least, most = (
            format_dollars(on_gpu.cost * bound / on_gpu.seconds_per_step) for bound in (low, high)
        )
        run += f" · {least}" if least == most else f" · {least}–{most}"
    seconds = round(on_gpu.seconds_per_step, 1)
    before = previous.estimate if previous else None
    change = format_delta(
        seconds,
        round(before.seconds_per_step, 1) if before else None,
        lambda value: f"{format_number(value)} s",
    )
    text = append_delta(f"{format_range(low, high)} s per step", change)
    return text + Content.styled(run, "$muted")


def _fix(row: GpuRow, fit: GpuFit | None, width: int, key: str) -> list[Content]:
    too_small = row.fit is Fit.NO and (fit is None or fit.fit is Fit.NO)
    if too_small and fit is None:
        return [Content.styled("Searching for settings that fit …", "$muted")]
    if too_small and fit and fit.fix is None:
        return [Content.styled("No change of one or two settings makes it fit.", "$text-warning")]
    if fit is None or not fit.changes:
        return []
    texts = ["float16: this GPU has no bfloat16"] if fit.float16 else []
    if fit.change:
        texts.append(f"{fit.change.words}: {format_bytes(fit.change.needed)}, {fit.change.effect}")
    text = f"{key} {'; '.join(texts)}"
    first, *rest = wrap(text, max(width, 20), max_lines=2, placeholder=" …")
    line = Content.assemble((key, "bold $primary"), first.removeprefix(key))
    return [line, *(Content(line) for line in rest)]
