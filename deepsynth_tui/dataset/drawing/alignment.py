"""Positions of the boxes on a line: alignment, justification and bidi reordering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from deepsynth_tui.dataset.drawing.bidi import visual_order
from deepsynth_tui.dataset.drawing.measured_text import MeasuredText
from deepsynth_tui.dataset.drawing.wrapping import BoxRun, Line


def align_line(text: MeasuredText, line: Line, width: float, align: str) -> Iterable[BoxRun]:
    """Return the boxes of `line` from left to right, positioned on a line of `width` em.

    `align` is `start` or `end` (in the direction of the paragraph), `center` or `justify`.
    """
    paragraph = line.paragraph
    if not line.runs or (
        align == "start" and not paragraph.base_level and not paragraph.needs_reordering
    ):
        return line.runs
    rtl = paragraph.base_level % 2 == 1
    last = line.runs[-1]
    free_width = width - (last.x + text.right[last.last - 1] - text.left[last.first])
    runs = _reorder(text, line) if paragraph.needs_reordering else line.runs
    if align == "justify" and not line.ends_paragraph:
        return _justify(text, runs, free_width)
    shift = {"center": free_width / 2, "end": free_width * (not rtl)}.get(align, free_width * rtl)
    return [run._replace(x=run.x + shift) for run in runs] if shift else runs


def _justify(text: MeasuredText, runs: tuple[BoxRun, ...], free_width: float) -> Iterator[BoxRun]:
    """Yield `runs` box by box, with `free_width` distributed over the spaces between them."""
    boxes = [
        BoxRun(box, box + 1, run.x + text.left[box] - text.left[run.first])
        for run in runs
        for box in range(run.first, run.last)
    ]
    has_space = [
        box.x - before.x - (text.right[before.first] - text.left[before.first]) > 1e-9
        for before, box in pairwise(boxes)
    ]
    stretch = free_width / sum(has_space) if any(has_space) else 0.0
    shift = 0.0
    for box, space_before in zip(boxes, [False, *has_space], strict=True):
        shift += stretch * space_before
        yield box._replace(x=box.x + shift)


def _reorder(text: MeasuredText, line: Line) -> tuple[BoxRun, ...]:
    """Return the boxes of a line one by one in visual order, starting at x = 0.

    White space before a run (indentation, tabs) has the level of the paragraph.
    """
    widths: list[float] = []
    levels: list[int] = []
    boxes: list[int | None] = []

    def add(width: float, level: int, box: int | None = None) -> None:
        widths.append(width)
        levels.append(level)
        boxes.append(box)

    pen = 0.0
    for run in line.runs:
        if run.x > pen:
            add(run.x - pen, line.paragraph.base_level)
        for box in range(run.first, run.last):
            add(text.right[box] - text.left[box], text.levels[box], box)
            if box + 1 < run.last:
                add(text.space_widths[box], text.space_levels[box])
        pen = run.x + text.right[run.last - 1] - text.left[run.first]
    reordered = []
    pen = 0.0
    for index in visual_order(levels):
        box = boxes[index]
        if box is not None:
            reordered.append(BoxRun(box, box + 1, pen))
        pen += widths[index]
    return tuple(reordered)
