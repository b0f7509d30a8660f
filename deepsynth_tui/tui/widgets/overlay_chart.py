"""The curves of several runs in one chart, each with a letter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from rich.text import Text
from textual.color import Color
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui.chart_scale import Point, decimate
from deepsynth_tui.tui.widgets.metric_chart import set_axes, style_axes

COLOURS = ("primary", "warning", "success", "error", "accent", "secondary")
"""Theme colours of the curves, in turn."""
_LETTERS_PER_CURVE = 5
_MIN_SIZE = (16, 4)


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """The (step, value) points of a run in ascending order of steps."""

    name: str
    points: Sequence[Point]


def letter(index: int) -> str:
    """Return the letter of a run: it tells curves apart without colour."""
    return ascii_lowercase[index % len(ascii_lowercase)]


class OverlayChart(Widget):
    """Draws curves over each other; their letters are on them."""

    DEFAULT_CSS = """
    OverlayChart {
        height: 1fr;
        padding: 0 1;
        border: round $frame;
        border-title-color: $foreground;
        text-wrap: nowrap;
    }
    """

    curves: reactive[tuple[NamedCurve, ...]] = reactive(())
    log_scale: reactive[bool] = reactive(False)

    def render(self) -> Text:
        width, height = self.content_size
        curves = [(i, curve) for i, curve in enumerate(self.curves) if curve.points]
        if not curves:
            return Text("None of these runs has a curve.", "dim")
        if width < _MIN_SIZE[0] or height < _MIN_SIZE[1]:
            return Text("too small for a chart", "dim")
        # Deferred: importing plotext would delay the first screen.
        from textual_plotext.plot import Plot

        plot = Plot()
        plot.theme("clear")
        plot.plotsize(width, height)
        # plotsize() is clipped to the size of the terminal that plotext detects.
        plot._set_size(width, height)
        steps: list[float] = []
        values: list[float] = []
        for index, curve in curves:
            points = self._scale(decimate(curve.points, 2 * width))
            if not points:
                continue
            xs, ys = [step for step, _ in points], [value for _, value in points]
            steps, values = steps + xs, values + ys
            colour = self.app.theme_variables[COLOURS[index % len(COLOURS)]]
            rgb = Color.parse(colour).rgb
            plot.plot(xs, ys, marker="braille", color=rgb)
            stride = max(1, len(points) // _LETTERS_PER_CURVE)
            marked = points[min(index * stride // 3, len(points) - 1) :: stride]
            plot.scatter(
                [step for step, _ in marked],
                [value for _, value in marked],
                marker=letter(index),
                color=rgb,
            )
        set_axes(plot, steps, values, width, height, log=self.log_scale)
        return style_axes(plot.build().rstrip("\n"))

    def _scale(self, points: Sequence[Point]) -> list[Point]:
        """Return the points as they are drawn; a logarithm exists of positive values only."""
        if not self.log_scale:
            return list(points)
        return [(step, math.log10(value)) for step, value in points if value > 0]
