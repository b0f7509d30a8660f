"""What a run prints, scrolling: it follows the newest line until the reader scrolls up.

Once scrolled up, the text stays where it is while lines arrive and old ones are dropped, until
the reader comes back to the end or asks to follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Offset
from textual.message import Message
from textual.reactive import reactive
from textual.selection import Selection
from textual.widgets import Log, Static

from deepsynth_tui.tui.actions import key_of

MAX_LINES = 5000


class LogLines(Log):
    """The lines themselves: Textual's `Log`, which selects with the mouse, kept from moving under
    the reader."""

    following: reactive[bool] = reactive(True)
    """Whether the newest line is kept in view."""

    class Moved(Message):
        """`following` changed."""

    def __init__(self, *, id: str | None = None, max_lines: int = MAX_LINES) -> None:
        super().__init__(id=id, max_lines=max_lines, auto_scroll=False)
        self._moving_itself = False

    def add(self, lines: Sequence[str]) -> None:
        """Append lines that are free of control characters, all at once."""
        before = self.line_count
        # `Log` takes an empty string for no line at all.
        self.write_lines([line or " " for line in lines], scroll_end=False)
        dropped = before + len(lines) - self.line_count
        if dropped:
            self._shift_selection(dropped)
        if self.following:
            self._scroll(self.max_scroll_y)
        elif dropped:
            self._scroll(max(0, self.scroll_offset.y - dropped))

    def follow(self) -> None:
        """Go to the newest line and stay there."""
        self.following = True
        self._scroll(self.max_scroll_y)

    def watch_following(self) -> None:
        """Tell the pane, which shows it."""
        self.post_message(self.Moved())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """A scroll that is not this widget's own is the reader's."""
        super().watch_scroll_y(old_value, new_value)
        if not self._moving_itself:
            self.following = round(new_value) >= self.max_scroll_y

    def action_scroll_end(self) -> None:
        """The End key."""
        self.follow()

    def on_resize(self) -> None:
        """A pane that becomes lower or higher still shows its end."""
        if self.following:
            self._scroll(self.max_scroll_y)

    def selection_updated(self, selection: Selection | None) -> None:
        """Text that is being selected must not run away."""
        super().selection_updated(selection)
        if selection is not None:
            self.following = False

    def _scroll(self, y: float) -> None:
        self._moving_itself = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._moving_itself = False

    def _shift_selection(self, dropped: int) -> None:
        """Selections are held by line number: move them along when lines are dropped."""
        selection = self.text_selection
        if selection is not None:
            moved = Selection(_up(selection.start, dropped), _up(selection.end, dropped))
            self.screen.selections = {**self.screen.selections, self: moved}


class LogPane(Vertical):
    """A heading that says whether the log follows, the lines, and the line still being written."""

    DEFAULT_CSS = """
    LogPane {
        height: 1fr;
        & > .log-heading { height: 1; text-wrap: nowrap; }
        & > LogLines {
            height: 1fr;
            background: transparent;
            overflow: auto scroll;
            scrollbar-size: 0 1;
            scrollbar-background: $background;
            scrollbar-color: $panel;
            &:focus { background-tint: $foreground 0%; }
        }
        & > .log-unfinished { height: 1; text-wrap: nowrap; color: $text-muted; }
    }
    """

    unread: reactive[int] = reactive(0)
    """Lines that came since the reader scrolled up."""

    class FollowingChanged(Message):
        """The reader scrolled up, or came back to the end."""

    def __init__(self, *, id: str | None = None, max_lines: int = MAX_LINES) -> None:
        super().__init__(id=id)
        self._lines = LogLines(max_lines=max_lines)
        self._heading = Static(classes="log-heading")
        self._unfinished = Static(classes="log-unfinished", markup=False)
        self._unfinished.display = False

    def compose(self) -> ComposeResult:
        """Heading, lines, and the unfinished line."""
        yield self._heading
        yield self._lines
        yield self._unfinished

    @property
    def following(self) -> bool:
        """Whether the newest line is kept in view."""
        return self._lines.following

    @property
    def lines(self) -> Sequence[str]:
        """The lines that are held, oldest first."""
        return self._lines.lines

    def on_mount(self) -> None:
        """Say at once that it follows."""
        self._show_heading()

    def add(self, lines: Sequence[str], *, skipped: int = 0, unfinished: str = "") -> None:
        """Append cleaned lines; `skipped` came before them and are only in the file."""
        news = list(lines)
        if skipped:
            news.insert(0, f"⋯ {skipped:,} lines skipped here; all of them are in console.log")
        if news:
            self._lines.add(news)
            if not self.following:
                self.unread += len(news)
        if unfinished != str(self._unfinished.content):
            self._unfinished.update(unfinished)
            self._unfinished.display = bool(unfinished)

    def follow(self) -> None:
        """Show the newest line, and every newer one as it comes."""
        self._lines.follow()

    def focus_lines(self) -> None:
        """Give the keys that scroll to the lines."""
        self._lines.focus()

    def tail(self, *, most_lines: int, most_bytes: int) -> str:
        """The last lines as one text, whole lines only."""
        kept: list[str] = []
        for line in reversed(self._lines.lines[-most_lines:]):
            most_bytes -= len(line.encode()) + 1
            if most_bytes < 0:
                break
            kept.append(line)
        return "".join(f"{line}\n" for line in reversed(kept))

    def watch_unread(self) -> None:
        """Count on the heading."""
        self._show_heading()

    @on(LogLines.Moved)
    def _moved(self, event: LogLines.Moved) -> None:
        event.stop()
        if self.following:
            self.unread = 0
        self._show_heading()
        self.post_message(self.FollowingChanged())

    def _show_heading(self) -> None:
        text = Content.styled("log", "bold")
        if self.following:
            text += Content.styled("   following", "$foreground 60%")
        else:
            news = f", {self.unread:,} new below" if self.unread else ""
            text += Content.styled(f"   paused{news}", "bold $warning")
            follow = key_of("monitor.follow")
            text += Content.styled(f"   {follow} follows again", "$foreground 60%")
        self._heading.update(text)


def _up(offset: Offset | None, lines: int) -> Offset | None:
    return None if offset is None else Offset(offset.x, max(0, offset.y - lines))
