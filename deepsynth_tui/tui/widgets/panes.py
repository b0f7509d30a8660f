"""The framed panes of a monitor. Each repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.strip import Strip
from textual.visual import Visual

from deepsynth_tui.page_thumbnail import CELL_WIDTH
from deepsynth_tui.tui.run_view.device_figures import DeviceFigure, DeviceFigures
from deepsynth_tui.tui.run_view.metrics import MetricCurve
from deepsynth_tui.tui.widgets.curves import bar, braille_curve, stretch
from deepsynth_tui.tui.widgets.diffed_lines import DiffedLines

_BAR_WIDTH = 10
_MIN_HISTORY_WIDTH = 6
_GAP = "  "


class LinesPane(DiffedLines, can_focus=True):
    """Lines in a frame. The last visible line counts those that have no room."""

    DEFAULT_CSS = """
    LinesPane {
        height: 1fr;
        padding: 0 1;
        border: round $frame;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        &:focus { border: round $primary; }
    }
    """

    def render_line(self, y: int) -> Strip:
        height, hidden = self.size.height, len(self._lines) - self.size.height
        if hidden > 0 and y == height - 1:
            more = Content.styled(f"… {hidden + 1} more lines: z", "$muted")
            return Visual.to_strips(self, more, self.size.width, 1, self.visual_style)[0]
        return super().render_line(y)


class FactsPane(LinesPane):
    """Labels and values, one per line."""

    def show(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show these facts."""
        width = max((len(label) for label, _ in facts), default=0)
        self.update(
            [
                Content.assemble((label.ljust(width), "$foreground 60%"), _GAP, text)
                for label, text in facts
            ]
        )


class DevicePane(LinesPane):
    """What the GPU does: bars and a curve of its utilisation."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._figures = DeviceFigures("", ())

    def show(self, figures: DeviceFigures) -> None:
        """Show these figures."""
        if figures != self._figures:
            if self._figures.title != figures.title:
                self.border_title = Content(figures.title)
            self._figures = figures
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Fit bars and curve into the new width."""
        self._draw()

    def _draw(self) -> None:
        width = max((len(figure.label) for figure in self._figures.figures), default=0)
        self.update([self._line(figure, width) for figure in self._figures.figures])

    def _line(self, figure: DeviceFigure, label_width: int) -> Content:
        line = Content.styled(figure.label.ljust(label_width), "$foreground 60%") + _GAP
        room = self.size.width - line.cell_length - len(figure.value) - len(_GAP)
        if figure.fraction is not None and room >= _BAR_WIDTH:
            line += Content.styled(bar(figure.fraction, _BAR_WIDTH), "$primary on $panel") + _GAP
            room -= _BAR_WIDTH + len(_GAP)
        line += figure.value
        if figure.history and room >= _MIN_HISTORY_WIDTH:
            (curve,) = braille_curve(figure.history, room, 1, low=0, high=100)
            line += Content.assemble(_GAP, (curve, "$primary"))
        return line


class MetricPane(LinesPane):
    """The last value of a metric, and its curve as high as the pane allows."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._curve: MetricCurve | None = None

    def show(self, curve: MetricCurve) -> None:
        """Show a metric."""
        if curve != self._curve:
            if self._curve is None or self._curve.label != curve.label:
                self.border_title = Content(curve.label)
            self._curve = curve
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Draw the curve at the new size."""
        self._draw()

    def _draw(self) -> None:
        if self._curve is None:
            return
        curve, width = self._curve, self.size.width
        change = f"{curve.first} → {curve.text}"
        text = change if curve.first and len(change) <= width else curve.text
        values = stretch([value for _, value in curve.points], width * CELL_WIDTH)
        rows = braille_curve(values, width, self.size.height - 1) if values else []
        self.update([Content(text), *(Content.styled(row, "$primary") for row in rows)])
