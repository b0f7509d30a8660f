"""Where on a line each box stands: alignment, and the order of text that runs both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from deepsynth_tui.dataset.drawing.bidi import visual_order
from deepsynth_tui.dataset.drawing.measured_text import Measured
from deepsynth_tui.dataset.drawing.wrapping import Line, Segment


def placed(text: Measured, line: Line, width: float, align: str) -> Iterable[Segment]:
    """Return what is on `line` with its place on a line of `width`, from left to right.

    `align` is `start` or `end` (the edge where the paragraph's own direction starts or ends),
    `center` or `justify`. Lengths are multiples of the font size.
    """
    paragraph = line.paragraph
    if not line.segments or (align == "start" and not paragraph.base and not paragraph.reorders):
        return line.segments
    leftward = paragraph.base % 2 == 1
    last = line.segments[-1]
    room = width - (last.x + text.right[last.last - 1] - text.left[last.first])
    segments = _reordered(text, line) if paragraph.reorders else line.segments
    if align == "justify" and not line.ends:
        return _stretched(text, segments, room)
    shift = {"center": room / 2, "end": room * (not leftward)}.get(align, room * leftward)
    return [one._replace(x=one.x + shift) for one in segments] if shift else segments


def _stretched(text: Measured, segments: tuple[Segment, ...], room: float) -> Iterator[Segment]:
    """Yield `segments` box by box, `room` shared out among the white space between them."""
    boxes = [
        Segment(box, box + 1, segment.x + text.left[box] - text.left[segment.first])
        for segment in segments
        for box in range(segment.first, segment.last)
    ]
    after = [
        one.x - before.x - (text.right[before.first] - text.left[before.first]) > 1e-9
        for before, one in pairwise(boxes)
    ]
    each = room / sum(after) if any(after) else 0.0
    shift = 0.0
    for box, gap_before in zip(boxes, [False, *after], strict=True):
        shift += each * gap_before
        yield box._replace(x=box.x + shift)


def _reordered(text: Measured, line: Line) -> tuple[Segment, ...]:
    """Return the boxes of a line one by one in the order of the eye, from 0 rightwards.

    The white space before a segment (an indentation, a tab) has the paragraph's direction.
    """
    widths: list[float] = []
    levels: list[int] = []
    boxes: list[int | None] = []

    def add(width: float, level: int, box: int | None = None) -> None:
        widths.append(width)
        levels.append(level)
        boxes.append(box)

    pen = 0.0
    for segment in line.segments:
        if segment.x > pen:
            add(segment.x - pen, line.paragraph.base)
        for box in range(segment.first, segment.last):
            add(text.right[box] - text.left[box], text.levels[box], box)
            if box + 1 < segment.last:
                add(text.gaps[box], text.gap_levels[box])
        pen = segment.x + text.right[segment.last - 1] - text.left[segment.first]
    found = []
    pen = 0.0
    for place in visual_order(levels):
        box = boxes[place]
        if box is not None:
            found.append(Segment(box, box + 1, pen))
        pen += widths[place]
    return tuple(found)
