"""The memory bar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.tui.fit.memory_bar import PATTERNS, memory_bar, proportional_widths
from tests.tui.fit.views import config_of


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=8), st.integers(1, 200))
def test_the_bar_is_full_and_each_item_is_right_to_within_a_cell(
    sizes: list[int], width: int
) -> None:
    widths = proportional_widths(sizes, width)
    assert sum(widths) == (width if sum(sizes) else 0)
    for cells, size in zip(widths, sizes, strict=True):
        assert abs(cells - width * size / max(sum(sizes), 1)) <= 1


def test_items_differ_without_colour(inputs: EstimateInputs) -> None:
    assert len({character for character, _ in PATTERNS.values()}) == len(PATTERNS)
    estimate = inputs.estimate(config_of(batch=8))
    bar = memory_bar(estimate, 51).plain
    assert len(bar) == 51
    largest = max(estimate.breakdown.items(), key=lambda item: item[1])[0]
    assert max(set(bar), key=bar.count) == PATTERNS[largest][0]
