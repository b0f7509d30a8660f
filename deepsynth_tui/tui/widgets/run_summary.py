"""The head of a run's view: its name and state, its phases, how far it is, and its figures.

Each line is repainted only when its text changes, so that a run which rests writes nothing.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.run_view.figures import Figure, figures, progress_words
from deepsynth_tui.tui.run_view.labels import PHASES, STATES
from deepsynth_tui.tui.run_view.reader import Snapshot

_GAP = "   "
_LEAST_BAR = 8


class TextLine(Static):
    """A line of text that is painted again only when it changes."""

    DEFAULT_CSS = """
    TextLine { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def show(self, text: Content) -> None:
        """Put `text` there."""
        if text != self.content:
            self.update(text)


class StateLine(Horizontal):
    """State, name, and on the right the kind of the run and how long it takes."""

    DEFAULT_CSS = """
    StateLine {
        height: 1;
        & > #state-words { width: 1fr; }
        & > #state-times { width: auto; color: $text-muted; padding-left: 2; }
    }
    """

    def compose(self) -> ComposeResult:
        """The two sides."""
        yield TextLine(id="state-words")
        yield TextLine(id="state-times")

    def show(self, snapshot: Snapshot) -> None:
        """Show the state in `snapshot`."""
        state = STATES[snapshot.summary.state]
        word = state.word
        if snapshot.summary.state == "stopping" and snapshot.request == "stop-after-checkpoint":
            word = "stopping after the next checkpoint"
        self.query_one("#state-words", TextLine).show(
            Content.assemble(
                (f"{state.symbol} {word}", f"bold {state.colour}"),
                _GAP,
                (sanitize(snapshot.identity.name), "bold"),
            )
        )
        times = [snapshot.identity.kind, snapshot.elapsed]
        self.query_one("#state-times", TextLine).show(Content(" · ".join(filter(None, times))))


class PhaseStrip(TextLine):
    """The phases of the run in their order: over, present, and to come."""

    def show_run(self, snapshot: Snapshot) -> None:
        """Show the phases in `snapshot`."""
        names = PHASES.get(snapshot.identity.kind, ())
        state, present = snapshot.state, snapshot.state.phase
        finished = snapshot.summary.state == "done"
        seen = {phase.name for phase in state.phases}
        here = names.index(present) if present in names else -1
        word = STATES[snapshot.summary.state]
        mark = "●" if snapshot.summary.is_live else word.symbol
        parts: list[Content] = []
        if here < 0 and snapshot.summary.is_live:
            parts.append(Content.styled(f"● {present or 'starting'}", "bold $primary"))
        for i, name in enumerate(names):
            if i == here and not finished:
                parts.append(Content.styled(f"{mark} {name}", f"bold {word.colour}"))
            elif name in seen and (finished or i < here):
                parts.append(Content(f"✓ {name}"))
            else:
                parts.append(Content.styled(f"· {name}", "$foreground 60%"))
        detail = sanitize(state.phase_detail) if snapshot.summary.is_live else ""
        line = Content(_GAP).join(parts)
        if detail and line.cell_length + len(_GAP) + len(detail) <= self.size.width:
            line += Content.styled(_GAP + detail, "$foreground 60%")
        self.show(line)


class ProgressLine(Widget):
    """A bar as wide as there is room, and in words how far, how fast and how long still."""

    DEFAULT_CSS = "ProgressLine { height: 1; }"

    share: reactive[float | None] = reactive(None)
    """From 0 to 1; None where nobody knows, which draws no bar."""
    words: reactive[str] = reactive("")

    def show(self, snapshot: Snapshot) -> None:
        """Show the progress in `snapshot`."""
        progress = snapshot.state.progress
        known = progress.total is not None and progress.total > 0
        self.words = progress_words(snapshot)
        self.share = min(1.0, progress.done / (progress.total or 1)) if known else None

    def render(self) -> Content:
        """The bar in front of the words."""
        width = self.size.width - len(self.words) - len(_GAP)
        if self.share is None or width < _LEAST_BAR:
            return Content(self.words)
        full = round(self.share * width)
        return Content.assemble(
            ("━" * full, "$primary"),
            ("─" * (width - full), "$foreground 30%"),
            _GAP,
            self.words,
        )


class Figures(Widget):
    """The figures of a run: in one line as many as fit, or a column of them where there is room."""

    DEFAULT_CSS = """
    Figures { height: 1; }
    """

    figures: reactive[tuple[Figure, ...]] = reactive(())

    def show(self, snapshot: Snapshot) -> None:
        """Show the figures in `snapshot`."""
        self.figures = figures(snapshot)

    def render(self) -> Content:
        """A line or a column."""
        return self._line() if self.size.height == 1 else self._column()

    def _line(self) -> Content:
        text, room = Content(""), self.size.width
        for figure in self.figures:
            label = figure.short or figure.label
            room -= len(label) + 1 + len(figure.value) + len(_GAP)
            if room < -len(_GAP):
                break
            text += Content.assemble((label, "$foreground 60%"), " ", (figure.value, ""), _GAP)
        return text

    def _column(self) -> Content:
        wide = max((len(figure.label) for figure in self.figures), default=0)
        room = max(1, self.size.width - wide - 2)
        lines = [
            Content.assemble((figure.label.ljust(wide + 2), "$foreground 60%"), _cut(figure, room))
            for figure in self.figures[: self.size.height]
        ]
        return Content("\n").join(lines)


def _cut(figure: Figure, room: int) -> str:
    return figure.value if len(figure.value) <= room else f"{figure.value[: room - 1]}…"
