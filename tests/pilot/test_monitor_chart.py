"""Scale of the chart, and the chart at unusual sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import ComposeResult

from deepsynth_tui.chart_scale import decimate, tick_labels, ticks
from deepsynth_tui.tui.widgets.metric_chart import Curves, MetricChart
from tests.pilot.screen_host import ThemedHost, text_of, until

values = st.floats(-1e6, 1e6)


@given(st.lists(values, max_size=400), st.integers(1, 60))
def test_decimation_keeps_extremes_ends_and_order(losses: list[float], buckets: int):
    points = list(enumerate(losses))
    kept = decimate(points, buckets)
    assert len(kept) <= max(2 * buckets + 2, 0)
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
    if points:
        assert kept[0] == points[0]
        assert kept[-1] == points[-1]
        assert min(v for _, v in kept) == min(losses)
        assert max(v for _, v in kept) == max(losses)


@given(values, st.floats(1e-4, 1e6), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low: float, width: float, most: int):
    high = low + width
    positions = ticks(low, high, most)
    assert len(positions) <= most
    assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in positions)
    assert len(set(tick_labels(positions))) == len(positions)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.6, 4.5, 4, ["1", "2", "3", "4"]),
        (1, 74, 6, ["20", "40", "60"]),
        (0.981, 0.994, 4, ["0.985", "0.990"]),
        (2, 2, 4, ["2"]),
    ],
)
def test_tick_labels(low: float, high: float, most: int, expected: list[str]):
    assert tick_labels(ticks(low, high, most)) == expected


def test_steps_are_labelled_with_whole_numbers():
    assert tick_labels(ticks(1, 3, 8, integers=True)) == ["1", "2", "3"]


class ChartHost(ThemedHost):
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"faint": "gray"}

    def compose(self) -> ComposeResult:
        yield MetricChart("loss")


@pytest.mark.parametrize("size", [(80, 24), (40, 8), (20, 5), (12, 3), (5, 2)])
@pytest.mark.parametrize("count", [1, 2, 5000])
async def test_the_chart_draws_at_any_size(size: tuple[int, int], count: int):
    app = ChartHost()
    async with app.run_test(size=size) as pilot:
        points = [(i, math.exp(-i / 500)) for i in range(1, count + 1)]
        app.query_one(MetricChart).curves = Curves(points, points[-1:])
        await pilot.pause()
        # The frame of the smallest has no room for its title.
        assert ("loss" in text_of(app.screen)) == (size[0] > 8)


async def test_an_empty_chart_shows_its_placeholder():
    app = ChartHost()
    async with app.run_test(size=(60, 10)) as pilot:
        app.query_one(MetricChart).placeholder = "Waiting for the first step."
        await until(pilot, lambda: "Waiting for the first step." in text_of(app.screen))


async def test_train_and_eval_differ_without_colour():
    app = ChartHost()
    async with app.run_test(size=(60, 12)) as pilot:
        app.query_one(MetricChart).curves = Curves([(1, 2.0), (9, 1.0)], [(5, 1.5)])
        await until(pilot, lambda: "●" in text_of(app.screen))
        drawn = text_of(app.screen).splitlines()[1:]
        assert any("●" in line for line in drawn)
        assert any("\u2800" < character < "\u28ff" for line in drawn for character in line)


async def test_a_flat_curve_has_an_axis():
    app = ChartHost()
    async with app.run_test(size=(60, 12)) as pilot:
        app.query_one(MetricChart).curves = Curves([(1, 0.5), (2, 0.5), (3, 0.5)])
        await until(pilot, lambda: "0.5" in text_of(app.screen))
