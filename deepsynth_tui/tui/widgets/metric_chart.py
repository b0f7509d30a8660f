"""A line chart of a training metric, in any width and without colour too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui.tui.widgets.chart_scale import Point, decimate, labels, ticks

if TYPE_CHECKING:
    from textual_plotext.plot import Plot

LINE, DOT = "braille", "●"
"""Plotext's markers of training and evaluation: told apart by shape, not by colour alone."""
REST = 1.0
"""Seconds between two drawings: a chart is the dearest thing on the screen to send."""
_BRAILLE_COLUMNS = 2
_COLUMNS_PER_DOT = 8
"""More dots than that, and they hide the curve."""
_ROWS_PER_Y_TICK = 2
_COLUMNS_PER_X_TICK = 12
_LEAST = (16, 4)
"""Columns and rows below which axes would leave no room for a curve."""


@dataclass(frozen=True, slots=True)
class Curves:
    """What to draw: (step, value) points of training and of evaluation, steps rising."""

    train: Sequence[Point] = ()
    evaluation: Sequence[Point] = ()


class MetricChart(Widget):
    """Draws `curves`; while there are none, says what it waits for (`waiting`)."""

    COMPONENT_CLASSES = {"metric-chart--train", "metric-chart--eval", "metric-chart--axis"}
    DEFAULT_CSS = """
    MetricChart {
        height: 1fr;
        & > .metric-chart--train { color: $primary; }
        & > .metric-chart--eval { color: $warning; }
        & > .metric-chart--axis { text-style: dim; }
    }
    """

    curves: reactive[Curves] = reactive(Curves())
    waiting: reactive[str] = reactive("")

    def __init__(self, metric: str, *, id: str | None = None) -> None:
        """`metric` is the name over the chart, such as "loss"."""
        super().__init__(id=id)
        self.metric = metric
        self._latest = Curves()
        self._resting = False

    def show(self, curves: Curves) -> None:
        """Draw `curves`, at once or when the rest since the last drawing is over."""
        self._latest = curves
        if not self._resting:
            self._draw_latest()

    def _draw_latest(self) -> None:
        self._resting = self._latest != self.curves
        if self._resting:
            self.curves = self._latest
            self.set_timer(REST, self._draw_latest)

    def render(self) -> Text:
        """The heading with the latest values, and the chart below it."""
        width, height = self.content_size
        axis = self._style("axis")
        text = Text(no_wrap=True, overflow="crop")
        text.append_text(self._heading())
        text.append("\n")
        if not self.curves.train and not self.curves.evaluation:
            text.append(self.waiting, axis)
        elif width < _LEAST[0] or height < _LEAST[1]:
            text.append("no room for the curve here", axis)
        else:
            text.append_text(_with_axes(self._drawing(width, height - 1), axis))
        return text

    def _heading(self) -> Text:
        text = Text(self.metric, Style(bold=True))
        for name, mark, points in (
            ("train", "─", self.curves.train),
            ("eval", DOT, self.curves.evaluation),
        ):
            if points:
                text.append(f"   {mark} ", self._style(name))
                text.append(f"{name} {points[-1][1]:.3f}")
        return text

    def _drawing(self, width: int, height: int) -> str:
        # Here, because plotext takes longer to import than a first screen may wait.
        from textual_plotext.plot import Plot

        plot = Plot()
        plot.theme("clear")
        plot.plotsize(width, height)
        # Plotext clips plotsize to the terminal that it believes in.
        plot._set_size(width, height)
        train = decimate(self.curves.train, width * _BRAILLE_COLUMNS)
        evaluation = decimate(self.curves.evaluation, width // _COLUMNS_PER_DOT)
        if len(train) > 1:
            plot.plot(*_columns(train), marker=LINE, color=self._rgb("train"))
        elif train:
            plot.scatter(*_columns(train), marker="•", color=self._rgb("train"))
        if evaluation:
            plot.scatter(*_columns(evaluation), marker=DOT, color=self._rgb("eval"))
        steps, values = _columns([*train, *evaluation])
        _axes(plot, steps, values, width, height)
        return plot.build().rstrip("\n")

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"metric-chart--{part}", partial=True)

    def _rgb(self, part: str) -> tuple[int, int, int]:
        return self.get_component_styles(f"metric-chart--{part}").color.rgb


def _with_axes(drawing: str, axis: Style) -> Text:
    """Plotext's drawing: what it coloured as it is, and the rest (the axes) in `axis`."""
    text = Text.from_ansi(drawing, style=axis)
    for span in tuple(text.spans):
        text.stylize(Style(dim=False), span.start, span.end)
    return text


def _columns(points: Sequence[Point]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _axes(plot: Plot, steps: list[int], values: list[float], width: int, height: int) -> None:
    """Left and lower axis, with round numbers on them."""
    x = ticks(min(steps), max(steps), width // _COLUMNS_PER_X_TICK, whole=True)
    y = ticks(min(values), max(values), height // _ROWS_PER_Y_TICK)
    plot.xticks(x, labels(x))
    plot.yticks(y, labels(y))
    plot.xaxes(True, False)
    plot.yaxes(True, False)
    if max(steps) > min(steps):
        plot.xlim(min(steps), max(steps))
    if max(values) > min(values):
        plot.ylim(min(values), max(values))
