"""The console of a run. It follows the newest line until the user scrolls up.

While scrolled up, the text in view does not move when lines are added or old ones dropped. It
follows again when the user scrolls to the end or presses the key.
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
    """Textual's `Log`, whose text the mouse can select, but which stays put while scrolled up."""

    following: reactive[bool] = reactive(True)
    """Whether the newest line is kept in view."""

    class FollowingChanged(Message):
        """`following` changed."""

    def __init__(self, *, id: str | None = None, max_lines: int = MAX_LINES) -> None:
        super().__init__(id=id, max_lines=max_lines, auto_scroll=False)
        self._is_own_scroll = False

    def append_lines(self, lines: Sequence[str]) -> None:
        """Append lines without control characters."""
        before = self.line_count
        # `Log` drops empty strings.
        self.write_lines([line or " " for line in lines], scroll_end=False)
        dropped = before + len(lines) - self.line_count
        if dropped:
            self._shift_selection(dropped)
        if self.following:
            self._scroll(self.max_scroll_y)
        elif dropped:
            self._scroll(max(0, self.scroll_offset.y - dropped))

    def follow(self) -> None:
        """Scroll to the newest line and keep it in view."""
        self.following = True
        self._scroll(self.max_scroll_y)

    def watch_following(self) -> None:
        """Notify the pane."""
        self.post_message(self.FollowingChanged())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow or pause according to where the user scrolled."""
        super().watch_scroll_y(old_value, new_value)
        if not self._is_own_scroll:
            self.following = round(new_value) >= self.max_scroll_y

    def action_scroll_end(self) -> None:
        """Follow on the End key."""
        self.follow()

    def on_resize(self) -> None:
        """Keep the end in view when the height changes."""
        if self.following:
            self._scroll(self.max_scroll_y)

    def selection_updated(self, selection: Selection | None) -> None:
        """Pause while text is selected."""
        super().selection_updated(selection)
        if selection is not None:
            self.following = False

    def _scroll(self, y: float) -> None:
        self._is_own_scroll = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._is_own_scroll = False

    def _shift_selection(self, dropped: int) -> None:
        """Move the selection, which is stored by line number, when lines are dropped."""
        selection = self.text_selection
        if selection is not None:
            shifted = Selection(_up(selection.start, dropped), _up(selection.end, dropped))
            self.screen.selections = {**self.screen.selections, self: shifted}


class LogPane(Vertical):
    """A heading with the follow state, the lines, and the line still being written."""

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
    """Lines added since the user scrolled up."""

    class FollowingChanged(Message):
        """The user scrolled up, or back to the end."""

    def __init__(self, *, id: str | None = None, max_lines: int = MAX_LINES) -> None:
        super().__init__(id=id)
        self._lines = LogLines(max_lines=max_lines)
        self._heading = Static(classes="log-heading")
        self._unfinished = Static(classes="log-unfinished", markup=False)
        self._unfinished.display = False

    def compose(self) -> ComposeResult:
        yield self._heading
        yield self._lines
        yield self._unfinished

    @property
    def following(self) -> bool:
        """Whether the newest line is kept in view."""
        return self._lines.following

    @property
    def lines(self) -> Sequence[str]:
        """The lines in memory, oldest first."""
        return self._lines.lines

    def on_mount(self) -> None:
        self._show_heading()

    def append_lines(self, lines: Sequence[str], *, skipped: int = 0, unfinished: str = "") -> None:
        """Append lines without control characters.

        Args:
            lines: Complete lines.
            skipped: Number of lines before them that are only in the file.
            unfinished: The line still being written.
        """
        new = list(lines)
        if skipped:
            new.insert(0, f"⋯ {skipped:,} lines skipped; console.log has all of them")
        if new:
            self._lines.append_lines(new)
            if not self.following:
                self.unread += len(new)
        if unfinished != str(self._unfinished.content):
            self._unfinished.update(unfinished)
            self._unfinished.display = bool(unfinished)

    def follow(self) -> None:
        """Scroll to the newest line and keep it in view."""
        self._lines.follow()

    def focus_lines(self) -> None:
        """Focus the lines, so that keys scroll them."""
        self._lines.focus()

    def tail(self, *, max_lines: int, max_bytes: int) -> str:
        """Return the last lines as one text, without cutting a line."""
        kept: list[str] = []
        for line in reversed(self._lines.lines[-max_lines:]):
            max_bytes -= len(line.encode()) + 1
            if max_bytes < 0:
                break
            kept.append(line)
        return "".join(f"{line}\n" for line in reversed(kept))

    def watch_unread(self) -> None:
        self._show_heading()

    @on(LogLines.FollowingChanged)
    def _following_changed(self, event: LogLines.FollowingChanged) -> None:
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
            unread = f", {self.unread:,} new below" if self.unread else ""
            text += Content.styled(f"   paused{unread}", "bold $warning")
            follow = key_of("monitor.follow")
            text += Content.styled(f"   {follow} follows again", "$foreground 60%")
        self._heading.update(text)


def _up(offset: Offset | None, lines: int) -> Offset | None:
    return None if offset is None else Offset(offset.x, max(0, offset.y - lines))
