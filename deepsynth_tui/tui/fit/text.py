"""The fit panel in words: one line for a narrow terminal, a column for a wide one. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from textual.content import Content

from deepsynth_tui.estimate.closed_form import Estimate
from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.fit.figures import SIGNS, SOURCES, amount, gigabytes, moved, size
from deepsynth_tui.tui.fit.gpu_table import matrix
from deepsynth_tui.tui.fit.memory_bar import bar, legend
from deepsynth_tui.tui.fit.rank_table import rank_table
from deepsynth_tui.tui.fit.view import FitView

NAME_WIDTH = 13
RANKS = "ranks"
"""The key of the rank table among the places of a column."""


@dataclass(frozen=True, slots=True)
class Column:
    """Lines, and where among them something begins: `RANKS`, or the row of a GPU by its name."""

    lines: tuple[Content, ...]
    places: Mapping[str, int]


def verdict(view: FitView) -> Content:
    """Return the whole answer on one line."""
    estimate = view.estimate
    fitting = [row for row in view.rows if row.fit is not Fit.NO]
    here = next((row for row in view.rows if row.device), None)
    shown = here or min(fitting, key=lambda row: row.room, default=None)
    if shown is None:
        word = Content.styled("✗ fits no GPU of the list", "$text-error")
    else:
        sign, style = SIGNS[shown.fit]
        word = Content.styled(f"{sign} {shown.fit} {shown.name}", style)
    others = len(fitting) - 1
    more = f" and {others} larger" if others > 0 and here is None else ""
    before = view.earlier.needed if view.earlier else None
    return Content.assemble(
        ("Needs ", "$muted"),
        (gigabytes(estimate.needed), "bold"),
        (f", {SOURCES[estimate.source]} ", "$muted"),
        moved(estimate.needed, before, size),
        (" · ", "$muted"),
        word,
        (f"{more} · {key_of('fit.panel')}", "$muted"),
    )


def headline(view: FitView) -> Content:
    """Return how much memory is needed, which kind of figure that is, and how far it moved."""
    estimate = view.estimate
    before = view.earlier.needed if view.earlier else None
    return Content.assemble(
        Content.styled(gigabytes(estimate.needed), "bold $primary"),
        f" of GPU memory, {SOURCES[estimate.source]}  ",
        moved(estimate.needed, before, size),
    )


def cross_check(view: FitView, key: str) -> Content:
    """Return what a simulation and a measurement say beside the computation, or how to get one.

    `key` is the one that simulates.
    """
    said = {}
    if view.simulated:
        said["simulated"] = view.simulated.peak_allocated
    run = view.answer.measured if view.answer and view.fresh else None
    if run and run.measured.allocated:
        said["ran out at" if run.ran_out else "measured"] = run.measured.allocated
    if not said:
        return Content.assemble((key, "bold $primary"), (" simulates a step to check it", "$muted"))
    peak = view.computed.peak_allocated
    others = [
        f"{source} {f'{size(other)} ' if len(said) == 1 else ''}({100 * (other / peak - 1):+.1f} %)"
        for source, other in said.items()
    ]
    return Content.styled(f"peak {size(peak)} computed, {', '.join(others)}", "$text-accent")


def column(view: FitView, width: int) -> Column:
    """Return everything below the headline, in lines of `width` cells."""
    lines = [bar(view.estimate, width), *legend(view.estimate, view.earlier)]
    for warning in _warnings(view):
        first, *rest = textwrap.wrap(warning, max(width - 2, 20))
        lines += [Content.assemble(("! ", "$text-warning"), first)]
        lines += [Content(f"  {line}") for line in rest]
    lines.append(Content(""))
    places = {}
    for name, line in matrix(view, width):
        places.setdefault(name, len(lines))
        lines.append(line)
    lines += [Content(""), *_figures(view), Content("")]
    places[RANKS] = len(lines)
    ranks = view.answer.ranks if view.answer else ()
    lines += rank_table(ranks, view.r, fresh=view.fresh)
    return Column(tuple(lines), places)


def _warnings(view: FitView) -> list[str]:
    shortages = view.answer.storage.shortages if view.answer else ()
    return [said for said in (*view.estimate.warnings, view.dataset.note, *shortages) if said]


def _figures(view: FitView) -> list[Content]:
    estimate, before = view.estimate, view.earlier
    share = 100 * estimate.trainable_params / max(estimate.total_params, 1)
    trained = f"{amount(estimate.trainable_params)} of {amount(estimate.total_params)}"
    trained_before = before.trainable_params if before else None
    counted = view.dataset.counted
    known = f"longest of {counted} counted" if counted else "the limit"
    row = f"{estimate.tokens_per_sample} tokens, {known} ({estimate.image_tokens} image)"
    longest_before = before.tokens_per_sample if before else None
    speed_before = round(before.speed_multiplier, 2) if before else None
    lines = [
        _figure(
            "trained",
            f"{trained} ({share:.3g} %)",
            moved(estimate.trainable_params, trained_before, amount),
        ),
        *_towers(estimate, before),
        _figure("longest row", row, moved(estimate.tokens_per_sample, longest_before, str)),
        _figure(
            "speed",
            f"{estimate.speed_multiplier:.2g}x full fine-tuning",
            moved(round(estimate.speed_multiplier, 2), speed_before, lambda x: f"{x:.2g}x"),
        ),
    ]
    if estimate.steps is not None:
        steps_before = before.steps if before else None
        lines.append(
            _figure("steps", str(estimate.steps), moved(estimate.steps, steps_before, str))
        )
    return lines


def _towers(estimate: Estimate, before: Estimate | None) -> list[Content]:
    """Return what is trained of each tower of the model, and of the text encoder."""
    was = before.trainable_by_tower if before else {}
    return [
        _figure(
            f"  {tower.removeprefix('text_')}", amount(count), moved(count, was.get(tower), amount)
        )
        for tower, count in estimate.trainable_by_tower.items()
    ]


def _figure(name: str, said: str, change: Content) -> Content:
    return Content.assemble((name.ljust(NAME_WIDTH), "$muted"), f"{said}  ", change)
