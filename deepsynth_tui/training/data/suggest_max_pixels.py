"""A `model.max_pixels` with which rows fit, found by trying it with the model's processor."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsynth_tui.training.data.lengths import PageSizes, RowLengths, TokenCounter
from deepsynth_tui.training.modeling.pixel_limits import apply_pixel_limits

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

MIN_READABLE_PIXELS = 64 * 64  # text on a smaller page is not readable
TOLERANCE = 1.02  # the result is within this factor of the largest value that fits
ROUND_TO_PIXELS = 1024
MAX_ROWS_TRIED = 50  # the longest rows with different page sizes; each runs the processor


def suggest_max_pixels(
    rows: Rows, lengths: RowLengths, too_long: Sequence[int], collator: Collator
) -> str:
    """Return advice: the `model.max_pixels` with which the rows `too_long` fit, if there is one."""
    if not any(lengths.rows[i].page_sizes for i in too_long):
        return "Or make shorter texts."
    longest: dict[PageSizes, int] = {}  # the row with most text for each combination of page sizes
    for i in sorted(too_long, key=lambda i: -lengths.rows[i].tokens):
        longest.setdefault(lengths.rows[i].page_sizes, i)
    tried = list(longest.values())[:MAX_ROWS_TRIED]
    max_pixels = largest_fitting_max_pixels(rows, lengths, tried, collator)
    if max_pixels is None:
        return "Fewer pixels do not help: no model.max_pixels makes every row fit."
    fitting = (
        "every row fits" if len(tried) == len(longest) else f"the {MAX_ROWS_TRIED} longest rows fit"
    )
    return f"Or set model.max_pixels to {max_pixels}: with it, {fitting}."


def largest_fitting_max_pixels(
    rows: Rows, lengths: RowLengths, tried: Sequence[int], collator: Collator
) -> int | None:
    """Return about the largest `model.max_pixels` with which the rows `tried` are short enough.

    Binary search on a logarithmic scale; None if even the smallest value is too large.
    """
    examples = [rows[i] for i in tried]

    def fits(max_pixels: int) -> bool:
        trial = with_max_pixels(collator, max_pixels)
        counter = TokenCounter(trial)
        limit = collator.config.data.max_length
        return all(counter.count(trial.render(example)).tokens <= limit for example in examples)

    low = max(MIN_READABLE_PIXELS, collator.config.model.min_pixels or 0)
    high = max((w * h for i in tried for w, h in lengths.rows[i].page_sizes), default=low)
    if low >= high or not fits(low):
        return None
    while high > TOLERANCE * low:
        middle = math.isqrt(low * high)
        if fits(middle):
            low = middle
        else:
            high = middle
    rounded = low // ROUND_TO_PIXELS * ROUND_TO_PIXELS
    return rounded if rounded >= MIN_READABLE_PIXELS and fits(rounded) else low


def with_max_pixels(collator: Collator, max_pixels: int) -> Collator:
    """Return a copy of the collator with another `model.max_pixels`."""
    changed = copy.copy(collator)
    model = collator.config.model.model_copy(update={"max_pixels": max_pixels})
    changed.processor, limits = apply_pixel_limits(collator.processor, model)
    changed.config = limits.before_processor(collator.config)
    return changed
