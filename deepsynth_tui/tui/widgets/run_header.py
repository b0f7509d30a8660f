"""The header of a run's screen: name and state, phases, progress, and figures.

Each line repaints only when its text changes, so that an idle run writes nothing.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.run_view.figures import Figure, figures, progress_text
from deepsynth_tui.tui.run_view.labels import PHASES, STATE_LABELS
from deepsynth_tui.tui.run_view.reader import RunSnapshot

_GAP = "   "
_MIN_BAR_WIDTH = 8


class TextLine(Static):
    """A line of text that repaints only when it changes."""

    DEFAULT_CSS = """
    TextLine { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def show(self, text: Content) -> None:
        """Show a text."""
        if text != self.content:
            self.update(text)


class StateLine(Horizontal):
    """State and name of the run; on the right its kind and elapsed time."""

    DEFAULT_CSS = """
    StateLine {
        height: 1;
        & > #state-name { width: 1fr; }
        & > #kind-time { width: auto; color: $text-muted; padding-left: 2; }
    }
    """

    def compose(self) -> ComposeResult:
        yield TextLine(id="state-name")
        yield TextLine(id="kind-time")

    def show(self, snapshot: RunSnapshot) -> None:
        """Show the state in `snapshot`."""
        state = STATE_LABELS[snapshot.summary.state]
        text = state.text
        if snapshot.summary.state == "stopping" and snapshot.request == "stop-after-checkpoint":
            text = "stopping after the next checkpoint"
        self.query_one("#state-name", TextLine).show(
            Content.assemble(
                (f"{state.symbol} {text}", f"bold {state.colour}"),
                _GAP,
                (sanitize(snapshot.identity.name), "bold"),
            )
        )
        percent = snapshot.percent_read
        reading = "" if percent is None else f"reading the log, {percent} %"
        kind_time = filter(None, (reading, snapshot.identity.kind, snapshot.elapsed))
        self.query_one("#kind-time", TextLine).show(Content(" · ".join(kind_time)))


class PhaseStrip(TextLine):
    """The phases of the run in order: completed, current and upcoming."""

    def show_run(self, snapshot: RunSnapshot) -> None:
        """Show the phases in `snapshot`."""
        names = PHASES.get(snapshot.identity.kind, ())
        state, current = snapshot.state, snapshot.state.phase
        is_done = snapshot.summary.state == "done"
        entered = {phase.name for phase in state.phases}
        index = names.index(current) if current in names else -1
        label = STATE_LABELS[snapshot.summary.state]
        symbol = "●" if snapshot.summary.is_live else label.symbol
        parts: list[Content] = []
        if index < 0 and snapshot.summary.is_live:
            parts.append(Content.styled(f"● {current or 'starting'}", "bold $primary"))
        for i, name in enumerate(names):
            if i == index and not is_done:
                parts.append(Content.styled(f"{symbol} {name}", f"bold {label.colour}"))
            elif name in entered and (is_done or i < index):
                parts.append(Content(f"✓ {name}"))
            else:
                parts.append(Content.styled(f"· {name}", "$foreground 60%"))
        detail = sanitize(state.phase_detail) if snapshot.summary.is_live else ""
        line = Content(_GAP).join(parts)
        if detail and line.cell_length + len(_GAP) + len(detail) <= self.size.width:
            line += Content.styled(_GAP + detail, "$foreground 60%")
        self.show(line)


class ProgressLine(Widget):
    """A progress bar that fills the line, and progress, speed and time left after it."""

    DEFAULT_CSS = "ProgressLine { height: 1; }"

    fraction: reactive[float | None] = reactive(None)
    """From 0 to 1; None if unknown, which draws no bar."""
    text: reactive[str] = reactive("")

    def show(self, snapshot: RunSnapshot) -> None:
        """Show the progress in `snapshot`."""
        progress = snapshot.state.progress
        self.text = progress_text(snapshot)
        self.fraction = min(1.0, progress.done / progress.total) if progress.total else None

    def render(self) -> Content:
        width = self.size.width - len(self.text) - len(_GAP)
        if self.fraction is None or width < _MIN_BAR_WIDTH:
            return Content(self.text)
        filled = round(self.fraction * width)
        return Content.assemble(
            ("━" * filled, "$primary"),
            ("─" * (width - filled), "$foreground 30%"),
            _GAP,
            self.text,
        )


class FigureList(Widget):
    """The figures of a run: one line with as many as fit, or a column if it is higher."""

    DEFAULT_CSS = """
    FigureList { height: 1; }
    """

    figures: reactive[tuple[Figure, ...]] = reactive(())

    def show(self, snapshot: RunSnapshot) -> None:
        """Show the figures in `snapshot`."""
        self.figures = figures(snapshot)

    def render(self) -> Content:
        return self._line() if self.size.height == 1 else self._column()

    def _line(self) -> Content:
        text, space = Content(""), self.size.width
        for figure in self.figures:
            label = figure.short or figure.label
            space -= len(label) + 1 + len(figure.value) + len(_GAP)
            if space < -len(_GAP):
                break
            text += Content.assemble((label, "$foreground 60%"), " ", (figure.value, ""), _GAP)
        return text

    def _column(self) -> Content:
        label_width = max((len(figure.label) for figure in self.figures), default=0) + 2
        value_width = max(1, self.size.width - label_width)
        lines = [
            Content.assemble(
                (figure.label.ljust(label_width), "$foreground 60%"),
                _truncate(figure.value, value_width),
            )
            for figure in self.figures[: self.size.height]
        ]
        return Content("\n").join(lines)


def _truncate(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
