"""The GPU that is looked at: how well the run fits it, how long it takes, what would help. Pure."""

from __future__ import annotations

from textwrap import wrap

from textual.content import Content

from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.estimate.fixes import MAX_BATCH_SIZE
from deepsynth_tui.estimate.report import GpuFit
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.tui.fit.figures import (
    SIGNS,
    gigabytes,
    money,
    moved,
    number,
    size,
    span,
)
from deepsynth_tui.tui.fit.gpu_rows import Row
from deepsynth_tui.tui.fit.view import FitView

WORDS = {Fit.FITS: "fits", Fit.TIGHT: "tight", Fit.NO: "does not fit"}
HEIGHT = 5


def choice(view: FitView, width: int, key: str) -> list[Content]:
    """Return `HEIGHT` lines of `width` cells; `key` is the one that makes the run fit."""
    row = view.row
    if row is None:
        return [Content("")] * HEIGHT
    was = next((one for one in view.rows_before if one.name == row.name), None)
    sign, style = SIGNS[row.fit]
    word = Content.assemble((f"{row.name}  ", "bold"), (f"{sign} {WORDS[row.fit]}", style))
    lines = [word, _room(row, was, view.place), _pace(row, was, view.estimate)]
    lines += _help(row, view.place, width, key)
    return [*lines, *[Content("")] * HEIGHT][:HEIGHT]


def _room(row: Row, was: Row | None, place: GpuFit | None) -> Content:
    left = f"{gigabytes(abs(row.headroom))} {'free' if row.headroom >= 0 else 'short'} "
    if place is None:
        batch = "…"
    elif place.batch == 0:
        batch = "none, not even one row"
    else:
        batch = f"at least {place.batch}" if place.batch >= MAX_BATCH_SIZE else str(place.batch)
    return Content.assemble(
        left,
        moved(row.headroom, was.headroom if was else None, size),
        (f" · largest batch {batch}", "$muted"),
    )


def _pace(row: Row, was: Row | None, estimate: Estimate) -> Content:
    on = row.on
    if on is None:
        return Content.styled("Speed not known: the list has no such GPU.", "$muted")
    low, high = on.seconds_range
    before = round(was.on.seconds_per_step, 1) if was and was.on else None
    said = ""
    if estimate.steps is not None:
        hours = span(low * estimate.steps / 3600, high * estimate.steps / 3600)
        said = f" · {hours} h"
    if on.cost is not None and row.device is None:
        least, most = (money(on.cost * bound / on.seconds_per_step) for bound in (low, high))
        said += f" · {least}" if least == most else f" · {least}–{most}"
    return Content.assemble(
        f"{span(low, high)} s a step ",
        moved(round(on.seconds_per_step, 1), before, lambda seconds: f"{number(seconds)} s"),
        (said, "$muted"),
    )


def _help(row: Row, place: GpuFit | None, width: int, key: str) -> list[Content]:
    if row.fit is not Fit.NO or (place and place.fit is not Fit.NO):
        return []
    if place is None:
        return [Content.styled("Looking for what would make it fit …", "$muted")]
    remedy = place.fix
    if remedy is None:
        return [Content.styled("No change of one or two settings makes it fit.", "$text-warning")]
    fits = f"{remedy.words}: {gigabytes(remedy.needed)}, {remedy.effect}"
    first, *rest = wrap(f"{key} {fits}", max(width, 20), max_lines=2, placeholder=" …")
    said = [Content.assemble((key, "bold $primary"), first.removeprefix(key))]
    return said + [Content(line) for line in rest]
