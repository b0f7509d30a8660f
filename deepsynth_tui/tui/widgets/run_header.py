"""The header of a run's screen: the line of state, and figures.

Each line repaints only when its text changes, so that an idle run writes nothing.
"""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from deepsynth_tui.tui.run_view.figures import Figure, figures
from deepsynth_tui.tui.run_view.reader import RunSnapshot
from deepsynth_tui.tui.run_view.state_line import StateLineTexts, state_line

_GAP = "   "
_DETAIL_GAP = "  "
_MIN_BAR_WIDTH = 8
_MAX_BAR_WIDTH = 40
_MIN_NAME_WIDTH = 8


class TextLine(Static):
    """A line of text that repaints only when it changes."""

    DEFAULT_CSS = """
    TextLine { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def show(self, text: Content) -> None:
        """Show a text."""
        if text != self.content:
            self.update(text)


class StateLine(Widget):
    """State, name, progress, speed and end of a run, in one line at any width."""

    DEFAULT_CSS = "StateLine { height: 1; text-wrap: nowrap; }"

    texts: reactive[StateLineTexts | None] = reactive(None)

    def show(self, snapshot: RunSnapshot) -> None:
        """Show the state in `snapshot`."""
        self.texts = state_line(snapshot)

    def render(self) -> Content:
        return (
            Content() if self.texts is None else fit_state_line(self.texts, self.content_size.width)
        )


def fit_state_line(texts: StateLineTexts, width: int) -> Content:
    """Return the line of state in `width` cells: a long name is cut, then details are left out by
    their priority; a bar takes the room that is left."""
    details, name = list(texts.details), texts.name

    def length() -> int:
        gaps = len(_GAP) * (1 + bool(details)) + len(_DETAIL_GAP) * max(0, len(details) - 1)
        return len(texts.state) + len(name) + gaps + sum(len(text) for _, text in details)

    if length() > width:
        name_width = max(_MIN_NAME_WIDTH, width // 4, len(name) - (length() - width))
        name = name if len(name) <= name_width else f"{name[: name_width - 1]}…"
    while details and length() > width:
        details.remove(max(details))
    state = Content.styled(texts.state, f"bold {texts.colour}")
    line = state + _GAP + Content.styled(name, "bold")
    # A bar stands where the details are separated: after progress and percentage.
    before = [text for priority, text in details if priority in (1, 3)]
    after = [text for priority, text in details if priority not in (1, 3)]
    if before:
        line += Content(_GAP + _DETAIL_GAP.join(before))
    room = min(_MAX_BAR_WIDTH, width - length() - len(_DETAIL_GAP))
    if texts.fraction is not None and room >= _MIN_BAR_WIDTH:
        filled = round(texts.fraction * room)
        line += Content.assemble(
            _DETAIL_GAP, ("━" * filled, "$primary"), ("─" * (room - filled), "$foreground 30%")
        )
    if after:
        line += Content((_DETAIL_GAP if before else _GAP) + _DETAIL_GAP.join(after))
    return line


class FigureLine(Widget):
    """The figures of a run: one line with as many as fit."""

    DEFAULT_CSS = """
    FigureLine { height: 1; text-wrap: nowrap; }
    """

    figures: reactive[tuple[Figure, ...]] = reactive(())

    def show(self, snapshot: RunSnapshot) -> None:
        """Show the figures in `snapshot`."""
        self.figures = figures(snapshot)

    def render(self) -> Content:
        text, space = Content(""), self.content_size.width
        for figure in self.figures:
            label = figure.short or figure.label
            space -= len(label) + 1 + len(figure.value) + len(_GAP)
            if space < -len(_GAP):
                break
            text += Content.assemble((label, "$foreground 60%"), " ", (figure.value, ""), _GAP)
        return text
