"""Up and down between fields in two columns."""

from __future__ import annotations

import pytest

from deepsynth_tui.tui.forms.neighbour import neighbour

PLACES = [(16, 0), (16, 1), (48, 1), (16, 2), (48, 2), (0, 4)]


@pytest.mark.parametrize(
    ("current", "direction", "index"),
    [
        ((16, 0), 1, 1),
        ((48, 1), 1, 4),
        ((48, 1), -1, 0),
        ((48, 2), 1, 5),
        ((0, 4), -1, 3),
        ((0, 4), 1, None),
        ((16, 0), -1, None),
    ],
)
def test_the_nearest_line_and_on_it_the_nearest_column(
    current: tuple[int, int], direction: int, index: int | None
) -> None:
    assert neighbour(PLACES, current, direction) == index
