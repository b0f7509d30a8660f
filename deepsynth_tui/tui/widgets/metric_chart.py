"""A line chart of a training metric that works at any size and without colour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui import chart_scale
from deepsynth_tui.chart_scale import (
    decimate,
    log_tick_labels,
    log_ticks,
    tick_labels,
    ticks,
)
from deepsynth_tui.runs.state import Point
from deepsynth_tui.tui.run_view.metrics import best_point, smooth, value_at

if TYPE_CHECKING:
    from textual_plotext.plot import Plot

TRAIN_MARKER, EVAL_MARKER = "braille", "●"
"""Plotext markers; they differ in shape, not only in colour."""
REDRAW_INTERVAL = 1.0
"""Least seconds between two drawings: a chart takes more bytes to send than any other widget."""
MIN_SMOOTHED_POINTS = 10
"""Points from which on a smoothed curve says more than the points themselves."""
_DOTS_PER_COLUMN = 2
"""Of a braille character."""
_COLUMNS_PER_EVAL_MARKER = 8
"""More markers would hide the curve."""
_ROWS_PER_Y_TICK = 2
_COLUMNS_PER_X_TICK = 12
_DIM = Style(dim=True)
_GAP = "   "
_MIN_SIZE = (16, 4)
"""Columns and rows below which the axes would leave no space for a curve."""


@dataclass(frozen=True, slots=True)
class Curves:
    """(step, value) points of training and evaluation, and those of a run to compare with, in
    ascending order of steps."""

    train: Sequence[Point] = ()
    evaluation: Sequence[Point] = ()
    reference: Sequence[Point] = ()
    reference_name: str = ""


class MetricChart(Widget, can_focus=True):
    """Draws `curves`, or shows `placeholder` while there are none.

    Args:
        metric: Name in the frame of the chart, such as `loss`.
    """

    COMPONENT_CLASSES = {
        "metric-chart--train",
        "metric-chart--points",
        "metric-chart--eval",
        "metric-chart--reference",
        "metric-chart--axis",
    }
    DEFAULT_CSS = """
    MetricChart {
        height: 1fr;
        padding: 0 1;
        border: round $frame;
        border-title-color: $foreground;
        text-wrap: nowrap;
        &:focus { border: round $primary; }
        & > .metric-chart--train { color: $primary; }
        & > .metric-chart--points { color: $primary 45%; }
        & > .metric-chart--eval { color: $warning; }
        & > .metric-chart--reference { color: $faint; }
        & > .metric-chart--axis { text-style: dim; }
    }
    """

    curves: reactive[Curves] = reactive(Curves())
    placeholder: reactive[str] = reactive("")
    log_scale: reactive[bool] = reactive(False)
    smoothing: reactive[bool] = reactive(True)

    def __init__(self, metric: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.metric = metric
        self._latest = Curves()
        self._is_throttled = False

    def on_mount(self) -> None:
        self._show_title()

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

    def watch_log_scale(self) -> None:
        self._show_title()

    def watch_smoothing(self) -> None:
        self._show_title()

    def _show_title(self) -> None:
        shown = ["smoothed"] if self.smoothing else []
        shown += ["log"] if self.log_scale else []
        self.border_title = f"{self.metric} ({', '.join(shown)})" if shown else self.metric

    def render(self) -> Text:
        width, height = self.content_size
        axis = self._style("axis")
        text = Text(no_wrap=True, overflow="crop")
        if not self.curves.train and not self.curves.evaluation:
            text.append(self.placeholder, axis)
            return text
        text.append_text(self._heading())
        text.append("\n")
        if width < _MIN_SIZE[0] or height < _MIN_SIZE[1]:
            text.append("too small for a chart", axis)
        else:
            text.append_text(style_axes(self._plot(width, height - 1), axis))
        return text

    @property
    def _is_smoothed(self) -> bool:
        return self.smoothing and len(self.curves.train) >= MIN_SMOOTHED_POINTS

    def _heading(self) -> Text:
        """Return the last values, and that of the other run at this step, as far as they fit."""
        curves, space = self.curves, self.content_size.width
        text = Text(no_wrap=True)
        for part in self._heading_parts(curves):
            if text and text.cell_len + part.cell_len + len(_GAP) > space:
                break
            text.append(_GAP if text else "").append_text(part)
        return text

    def _heading_parts(self, curves: Curves) -> Iterator[Text]:
        smoothed = smooth(curves.train) if self._is_smoothed else ()
        if curves.train:
            text = Text.assemble(("─ ", self._style("train")), f"train {curves.train[-1][1]:.3f}")
            yield text.append(f" smoothed {smoothed[-1][1]:.3f}" if smoothed else "")
        if curves.evaluation:
            yield Text.assemble(
                (f"{EVAL_MARKER} ", self._style("eval")), f"eval {curves.evaluation[-1][1]:.3f}"
            )
            best = best_point(curves.evaluation)
            if best is not None and len(curves.evaluation) > 1:
                yield Text(f"best {best[1]:.3f} @ {best[0]}")
        if curves.reference and curves.train:
            former = smooth(curves.reference) if self._is_smoothed else curves.reference
            before = value_at(former, curves.train[-1][0])
            text = Text.assemble(("─ ", self._style("reference")), curves.reference_name)
            if before:
                change = (smoothed or curves.train)[-1][1] / before - 1
                text.append(f" {before:.3f} @ {curves.train[-1][0]} ({change:+.0%})")
            yield text

    def _plot(self, width: int, height: int) -> str:
        # Deferred: importing plotext would delay the first screen.
        from textual_plotext.plot import Plot

        plot = Plot()
        plot.theme("clear")
        plot.plotsize(width, height)
        # plotsize() is clipped to the size of the terminal that plotext detects.
        plot._set_size(width, height)
        last_step = max(
            points[-1][0] for points in (self.curves.train, self.curves.evaluation) if points
        )
        reference = [point for point in self.curves.reference if point[0] <= last_step]
        lines: list[tuple[str, Sequence[Point]]] = [
            ("reference", smooth(reference) if self._is_smoothed else reference)
        ]
        if self._is_smoothed:
            lines += [("points", self.curves.train), ("train", smooth(self.curves.train))]
        else:
            lines.append(("train", self.curves.train))
        drawn: list[chart_scale.Point] = []
        for part, points in lines:
            scaled = self._scale(decimate(points, width * _DOTS_PER_COLUMN))
            drawn += scaled
            if len(scaled) > 1:
                plot.plot(*_unzip(scaled), marker=TRAIN_MARKER, color=self._rgb(part))
            elif scaled:
                plot.scatter(*_unzip(scaled), marker="•", color=self._rgb(part))
        evaluation = self._scale(
            decimate(self.curves.evaluation, width // _COLUMNS_PER_EVAL_MARKER)
        )
        if evaluation:
            plot.scatter(*_unzip(evaluation), marker=EVAL_MARKER, color=self._rgb("eval"))
        set_axes(plot, *_unzip([*drawn, *evaluation]), width, height, log=self.log_scale)
        return plot.build().rstrip("\n")

    def _scale(self, points: Sequence[chart_scale.Point]) -> list[chart_scale.Point]:
        """Return the points as they are drawn; a logarithm exists of positive values only."""
        if not self.log_scale:
            return list(points)
        return [(step, math.log10(value)) for step, value in points if value > 0]

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"metric-chart--{part}", partial=True)

    def _rgb(self, part: str) -> tuple[int, int, int]:
        styles = self.get_component_styles(f"metric-chart--{part}")
        return (self.background_colors[1] + styles.color).rgb


def style_axes(plot: str, axis: Style = _DIM) -> Text:
    """Return plotext's output with the parts it left uncoloured (the axes) in style `axis`."""
    text = Text.from_ansi(plot, style=axis)
    for span in tuple(text.spans):
        text.stylize(Style(dim=False), span.start, span.end)
    return text


def _unzip(points: Sequence[chart_scale.Point]) -> tuple[list[float], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def set_axes(
    plot: Plot, steps: list[float], values: list[float], width: int, height: int, *, log: bool
) -> None:
    """Draw the left and the lower axis, labelled with round numbers."""
    if not steps:
        return
    x = ticks(min(steps), max(steps), width // _COLUMNS_PER_X_TICK, integers=True)
    plot.xticks(x, tick_labels(x))
    if log:
        y = log_ticks(min(values), max(values), height // _ROWS_PER_Y_TICK)
        plot.yticks(y, log_tick_labels(y))
    else:
        y = ticks(min(values), max(values), height // _ROWS_PER_Y_TICK)
        plot.yticks(y, tick_labels(y))
    plot.xaxes(True, False)
    plot.yaxes(True, False)
    if max(steps) > min(steps):
        plot.xlim(min(steps), max(steps))
    if max(values) > min(values):
        plot.ylim(min(values), max(values))
