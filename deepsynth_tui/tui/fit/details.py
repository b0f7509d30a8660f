"""The scrolling part of the fit panel: memory bar, warnings, GPUs, figures and ranks. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from textual.content import Content

from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.tui.fit.delta import format_delta
from deepsynth_tui.tui.fit.gpu_table import gpu_table
from deepsynth_tui.tui.fit.memory_bar import memory_bar, memory_legend
from deepsynth_tui.tui.fit.rank_table import rank_table
from deepsynth_tui.tui.fit.view import FitView
from deepsynth_tui.units import format_count

NAME_WIDTH = 13
RANKS = "ranks"
"""Anchor of the rank table."""


@dataclass(frozen=True, slots=True)
class Details:
    """Lines of text, and the line numbers of `RANKS` and of each GPU by its name."""

    lines: tuple[Content, ...]
    anchors: Mapping[str, int]


def details(view: FitView, width: int) -> Details:
    """Return everything below the headline, in lines of `width` cells."""
    lines = [memory_bar(view.estimate, width), *memory_legend(view.estimate, view.baseline)]
    for warning in _warnings(view):
        first, *rest = textwrap.wrap(warning, max(width - 2, 20))
        lines += [Content.assemble(("! ", "$text-warning"), first)]
        lines += [Content(f"  {line}") for line in rest]
    lines.append(Content(""))
    anchors = {}
    for name, line in gpu_table(view, width):
        anchors.setdefault(name, len(lines))
        lines.append(line)
    lines += [Content(""), *_figures(view), Content("")]
    anchors[RANKS] = len(lines)
    ranks = view.report.ranks if view.report else ()
    lines += rank_table(ranks, view.rank, is_current=view.report_is_current)
    return Details(tuple(lines), anchors)


def _warnings(view: FitView) -> list[str]:
    shortages = view.report.storage.shortages if view.report else ()
    warnings = (*view.estimate.warnings, view.dataset.note, *shortages)
    return [warning for warning in warnings if warning]


def _figures(view: FitView) -> list[Content]:
    estimate, baseline = view.estimate, view.baseline
    trained, total = estimate.trainable_params, estimate.total_params
    counted = view.dataset.counted
    source = f"longest of {counted} counted" if counted else "max length"
    speed = round(estimate.speed_multiplier, 2)
    lines = [
        _figure(
            "trained",
            f"{format_count(trained)} of {format_count(total)} "
            f"({100 * trained / max(total, 1):.3g} %)",
            format_delta(trained, baseline.trainable_params if baseline else None, format_count),
        ),
        *_towers(estimate, baseline),
        _figure(
            "longest row",
            f"{estimate.tokens_per_sample} tokens, {source} ({estimate.image_tokens} image)",
            format_delta(
                estimate.tokens_per_sample, baseline.tokens_per_sample if baseline else None, str
            ),
        ),
        _figure(
            "speed",
            f"{estimate.speed_multiplier:.2g}x full fine-tuning",
            format_delta(
                speed,
                round(baseline.speed_multiplier, 2) if baseline else None,
                lambda value: f"{value:.2g}x",
            ),
        ),
    ]
    if estimate.steps is not None:
        change = format_delta(estimate.steps, baseline.steps if baseline else None, str)
        lines.append(_figure("steps", str(estimate.steps), change))
    return lines


def _towers(estimate: Estimate, baseline: Estimate | None) -> list[Content]:
    """Return the trained parameters of each tower of the model and of the text encoder."""
    previous = baseline.trainable_by_tower if baseline else {}
    return [
        _figure(
            f"  {tower.removeprefix('text_')}",
            format_count(count),
            format_delta(count, previous.get(tower), format_count),
        )
        for tower, count in estimate.trainable_by_tower.items()
    ]


def _figure(name: str, text: str, change: Content) -> Content:
    return Content.assemble((name.ljust(NAME_WIDTH), "$muted"), f"{text}  ", change)
