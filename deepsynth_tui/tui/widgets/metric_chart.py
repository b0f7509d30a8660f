"""A line chart of a training metric that works at any size and without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui.chart_scale import Point, decimate, tick_labels, ticks

if TYPE_CHECKING:
    from textual_plotext.plot import Plot

TRAIN_MARKER, EVAL_MARKER = "braille", "●"
"""Plotext markers; they differ in shape, not only in colour."""
REDRAW_INTERVAL = 1.0
"""Least seconds between two drawings: a chart takes more bytes to send than any other widget."""
_DOTS_PER_COLUMN = 2
"""Of a braille character."""
_COLUMNS_PER_EVAL_MARKER = 8
"""More markers would hide the curve."""
_ROWS_PER_Y_TICK = 2
_COLUMNS_PER_X_TICK = 12
_MIN_SIZE = (16, 4)
"""Columns and rows below which the axes would leave no space for a curve."""


@dataclass(frozen=True, slots=True)
class Curves:
    """(step, value) points of training and evaluation, in ascending order of steps."""

    train: Sequence[Point] = ()
    evaluation: Sequence[Point] = ()


class MetricChart(Widget):
    """Draws `curves`, or shows `placeholder` while there are none.

    Args:
        metric: Name above the chart, such as `loss`.
    """

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
    placeholder: reactive[str] = reactive("")

    def __init__(self, metric: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.metric = metric
        self._latest = Curves()
        self._is_throttled = False

    def show(self, curves: Curves) -> None:
        """Draw `curves`, at once or `REDRAW_INTERVAL` after the last drawing."""
        self._latest = curves
        if not self._is_throttled:
            self._draw_latest()

    def _draw_latest(self) -> None:
        self._is_throttled = self._latest != self.curves
        if self._is_throttled:
            self.curves = self._latest
            self.set_timer(REDRAW_INTERVAL, self._draw_latest)

    def render(self) -> Text:
        width, height = self.content_size
        axis = self._style("axis")
        text = Text(no_wrap=True, overflow="crop")
        text.append_text(self._heading())
        text.append("\n")
        if not self.curves.train and not self.curves.evaluation:
            text.append(self.placeholder, axis)
        elif width < _MIN_SIZE[0] or height < _MIN_SIZE[1]:
            text.append("too small for a chart", axis)
        else:
            text.append_text(_style_axes(self._plot(width, height - 1), axis))
        return text

    def _heading(self) -> Text:
        text = Text(self.metric, Style(bold=True))
        for name, mark, points in (
            ("train", "─", self.curves.train),
            ("eval", EVAL_MARKER, self.curves.evaluation),
        ):
            if points:
                text.append(f"   {mark} ", self._style(name))
                text.append(f"{name} {points[-1][1]:.3f}")
        return text

    def _plot(self, width: int, height: int) -> str:
        # Deferred: importing plotext would delay the first screen.
        from textual_plotext.plot import Plot

        plot = Plot()
        plot.theme("clear")
        plot.plotsize(width, height)
        # plotsize() is clipped to the size of the terminal that plotext detects.
        plot._set_size(width, height)
        train = decimate(self.curves.train, width * _DOTS_PER_COLUMN)
        evaluation = decimate(self.curves.evaluation, width // _COLUMNS_PER_EVAL_MARKER)
        if len(train) > 1:
            plot.plot(*_unzip(train), marker=TRAIN_MARKER, color=self._rgb("train"))
        elif train:
            plot.scatter(*_unzip(train), marker="•", color=self._rgb("train"))
        if evaluation:
            plot.scatter(*_unzip(evaluation), marker=EVAL_MARKER, color=self._rgb("eval"))
        steps, values = _unzip([*train, *evaluation])
        _set_axes(plot, steps, values, width, height)
        return plot.build().rstrip("\n")

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"metric-chart--{part}", partial=True)

    def _rgb(self, part: str) -> tuple[int, int, int]:
        return self.get_component_styles(f"metric-chart--{part}").color.rgb


def _style_axes(plot: str, axis: Style) -> Text:
    """Return plotext's output with the parts it left uncoloured (the axes) in style `axis`."""
    text = Text.from_ansi(plot, style=axis)
    for span in tuple(text.spans):
        text.stylize(Style(dim=False), span.start, span.end)
    return text


def _unzip(points: Sequence[Point]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _set_axes(plot: Plot, steps: list[int], values: list[float], width: int, height: int) -> None:
    """Draw the left and the lower axis, labelled with round numbers."""
    x = ticks(min(steps), max(steps), width // _COLUMNS_PER_X_TICK, integers=True)
    y = ticks(min(values), max(values), height // _ROWS_PER_Y_TICK)
    plot.xticks(x, tick_labels(x))
    plot.yticks(y, tick_labels(y))
    plot.xaxes(True, False)
    plot.yaxes(True, False)
    if max(steps) > min(steps):
        plot.xlim(min(steps), max(steps))
    if max(values) > min(values):
        plot.ylim(min(values), max(values))
