"""What takes the memory: a bar with a segment for each item, and its legend. Pure.

Each item has its own pattern, so that the bar can be read without colour. The colour shows the
kind of memory: held throughout training, allocated within a step, or not counted by PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from textual.content import Content

from deepsynth_tui.estimate.memory.run_memory import MemoryItem
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.tui.fit.delta import format_delta
from deepsynth_tui.units import format_bytes, format_percent

PERSISTENT, TRANSIENT, OUTSIDE_PYTORCH = "$primary", "$accent", "$muted"
PATTERNS: dict[MemoryItem, tuple[str, str]] = {
    "weights": ("█", PERSISTENT),
    "adapters": ("▚", PERSISTENT),
    "gradients": ("▞", TRANSIENT),
    "optimizer": ("▌", PERSISTENT),
    "activations": ("▓", TRANSIENT),
    "logits": ("▒", TRANSIENT),
    "text_encoder": ("▄", PERSISTENT),
    "overhead": ("░", OUTSIDE_PYTORCH),
}
"""Character and colour of each item."""
NAME_WIDTH = 13


def proportional_widths(sizes: Sequence[int], width: int) -> list[int]:
    """Divide `width` cells in proportion to `sizes`, each to within one cell."""
    total = sum(sizes)
    if total == 0:
        return [0] * len(sizes)
    ends = [round(width * end / total) for end in accumulate(sizes)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def memory_bar(estimate: Estimate, width: int) -> Content:
    """Return a bar of `width` cells; items below half a cell are not visible."""
    widths = proportional_widths(list(estimate.breakdown.values()), width)
    segments = []
    for item, cells in zip(estimate.breakdown, widths, strict=True):
        character, style = PATTERNS[item]
        segments.append((character * cells, style))
    return Content.assemble(*segments)


def memory_legend(estimate: Estimate, baseline: Estimate | None) -> list[Content]:
    """Return size, percentage and change of each item that is or was above zero."""
    needed = max(estimate.needed, 1)
    lines = []
    for item, size in estimate.breakdown.items():
        previous = baseline.breakdown[item] if baseline else None
        if not size and not previous:
            continue
        character, style = PATTERNS[item]
        lines.append(
            Content.assemble(
                (f"{character} ", style),
                (item.replace("_", " ").ljust(NAME_WIDTH), "$muted"),
                format_bytes(size).rjust(9),
                (format_percent(size / needed).rjust(7), "$muted"),
                "  ",
                format_delta(size, previous, format_bytes),
            )
        )
    return lines
