"""What takes the memory: one bar of all items, and its legend. Pure.

Each item has a pattern of its own, so that the bar is read without colour. The colour says what
kind of memory it is: what the model holds all along, what comes and goes within a step, and what
PyTorch does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from textual.content import Content

from deepsynth_tui.estimate.closed_form import Estimate, MemoryItem
from deepsynth_tui.tui.fit.figures import moved, percent, size

HELD, PASSING, BESIDE = "$primary", "$accent", "$muted"
MARKS: dict[MemoryItem, tuple[str, str]] = {
    "weights": ("█", HELD),
    "adapters": ("▚", HELD),
    "gradients": ("▞", PASSING),
    "optimizer": ("▌", HELD),
    "activations": ("▓", PASSING),
    "logits": ("▒", PASSING),
    "text_encoder": ("▄", HELD),
    "overhead": ("░", BESIDE),
}
NAME_WIDTH = 13


def shares(sizes: Sequence[int], width: int) -> list[int]:
    """Divide `width` cells as `sizes` divide their sum, each to within one cell of its share."""
    total = sum(sizes)
    if total == 0:
        return [0] * len(sizes)
    ends = [round(width * end / total) for end in accumulate(sizes)]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]


def bar(estimate: Estimate, width: int) -> Content:
    """Return the items side by side over `width` cells; one below half a cell is not seen."""
    cells = shares(list(estimate.breakdown.values()), width)
    parts = []
    for item, count in zip(estimate.breakdown, cells, strict=True):
        sign, style = MARKS[item]
        parts.append((sign * count, style))
    return Content.assemble(*parts)


def legend(estimate: Estimate, before: Estimate | None) -> list[Content]:
    """Return a line for each item that takes anything, or did before: size, share and change."""
    needed = max(estimate.needed, 1)
    lines = []
    for item, now in estimate.breakdown.items():
        was = before.breakdown[item] if before else None
        if not now and not was:
            continue
        sign, style = MARKS[item]
        lines.append(
            Content.assemble(
                (f"{sign} ", style),
                (item.replace("_", " ").ljust(NAME_WIDTH), "$muted"),
                size(now).rjust(9),
                (percent(now / needed).rjust(7), "$muted"),
                "  ",
                moved(now, was, size),
            )
        )
    return lines
