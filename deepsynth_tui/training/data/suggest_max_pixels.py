"""How few pixels a page may have for rows to fit, found by trying it with the model's processor."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsynth_tui.training.data.lengths import Counted, Lengths, Sizes

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

LEAST = 64 * 64  # pixels: of a smaller page nothing can be read
CLOSE = 1.02  # a value this near the largest that fits will do
ROUND = 1024  # pixels
TRIED = 50  # rows, the longest of those with different pages: each takes the processor a moment


def advice(rows: Rows, counted: Counted, over: Sequence[int], batcher: Collator) -> str:
    """Say to which `model.max_pixels` these rows would fit, or that none makes them."""
    if not any(counted.rows[i].sizes for i in over):
        return "Or make shorter texts."
    longest: dict[Sizes, int] = {}  # of the rows with the same pages, the one with most text
    for i in sorted(over, key=lambda i: -counted.rows[i].tokens):
        longest.setdefault(counted.rows[i].sizes, i)
    tried = list(longest.values())[:TRIED]
    found = fitting(rows, counted, tried, batcher)
    if found is None:
        return "Fewer pixels do not help: no model.max_pixels makes every row fit."
    fit = "every row fits" if len(tried) == len(longest) else f"the {TRIED} longest rows fit"
    return f"Or set model.max_pixels to {found}: with it, {fit}."


def fitting(rows: Rows, counted: Counted, tried: Sequence[int], batcher: Collator) -> int | None:
    """The largest `model.max_pixels`, about, with which the rows `tried` are short enough."""
    trials = [rows[i] for i in tried]

    def fit(pixels: int) -> bool:
        lengths = Lengths(with_pixels(batcher, pixels))
        limit = batcher.config.data.max_length
        return all(lengths.of(batcher.render(row)).tokens <= limit for row in trials)

    low = max(LEAST, batcher.config.model.min_pixels or 0)
    high = max((w * h for i in tried for w, h in counted.rows[i].sizes), default=low)
    if low >= high or not fit(low):
        return None
    while high > CLOSE * low:
        middle = math.isqrt(low * high)
        if fit(middle):
            low = middle
        else:
            high = middle
    rounded = low // ROUND * ROUND
    return rounded if rounded >= LEAST and fit(rounded) else low


def with_pixels(batcher: Collator, pixels: int) -> Collator:
    """A batcher whose pages have at most so many pixels."""
    changed = copy.copy(batcher)
    model = batcher.config.model.model_copy(update={"max_pixels": pixels})
    changed.config = batcher.config.model_copy(update={"model": model})
    return changed
