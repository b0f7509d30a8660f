"""The console of a run. It follows the newest line until the user scrolls up.

While scrolled up, the text in view does not move when lines are added or old ones dropped. It
follows again when the user scrolls to the end or presses the key.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from rich.cells import cell_len
from rich.highlighter import Highlighter
from rich.text import Text
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
from deepsynth_tui.tui.run_view.log_filter import Level, LevelReader, LogFilter
from deepsynth_tui.tui.widgets.filter_input import FilterInput

MAX_LINES = 5000


class _Matches(Highlighter):
    """Marks every occurrence of a text, in any case of its letters."""

    def __init__(self, text: str) -> None:
        self._pattern = re.compile(re.escape(text), re.IGNORECASE)

    def highlight(self, text: Text) -> None:
        for match in self._pattern.finditer(text.plain):
            text.stylize("bold reverse", *match.span())


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

    def replace(self, lines: Sequence[str], marked: str) -> None:
        """Show other lines, the newest in view, with a text marked wherever it occurs."""
        self.highlight = bool(marked)
        self.highlighter = _Matches(marked)
        self.clear()
        self.write_lines([line or " " for line in lines], scroll_end=False)
        self.follow()

    def _update_size(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, updates: int, lines: list[str]
    ) -> None:
        """Widen to the longest line at once.

        Textual starts a worker for that, which takes as long as drawing the lines in view.
        """
        self._update_maximum_width(updates, max(map(_cells, lines), default=0))

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
    """A heading with the follow state, the lines, and the line still being written.

    A filter shows some of the lines; new ones pass through it as well.
    """

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
        self._held: deque[tuple[str, Level]] = deque(maxlen=max_lines)
        self._levels = LevelReader()
        self._filter = LogFilter()
        self._left_out = 0
        self._search = FilterInput(placeholder="Search the log")
        self._heading = Static(classes="log-heading")
        self._unfinished = Static(classes="log-unfinished", markup=False)
        self._unfinished.display = False

    def compose(self) -> ComposeResult:
        yield self._heading
        yield self._lines
        yield self._unfinished
        yield self._search

    @property
    def following(self) -> bool:
        """Whether the newest line is kept in view."""
        return self._lines.following

    @property
    def lines(self) -> Sequence[str]:
        """The lines in memory, oldest first, those that a filter hides included."""
        return self.last_lines(len(self._held))

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines in memory, oldest first, those that a filter hides included."""
        newest_first = [line for line, _ in islice(reversed(self._held), count)]
        return newest_first[::-1]

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
            self._left_out += skipped
            new.insert(0, f"⋯ lines left out here: {skipped:,}; console.log has all of them")
        if new:
            self._append(new)
        if unfinished != str(self._unfinished.content):
            self._unfinished.update(unfinished)
            self._unfinished.display = bool(unfinished)

    def _append(self, new: Sequence[str]) -> None:
        held = list(zip(new, self._levels.levels(new), strict=True))
        self._left_out += max(0, len(self._held) + len(held) - (self._held.maxlen or 0))
        self._held.extend(held)
        shown = self._matching(held)
        if shown:
            self._lines.append_lines(shown)
            if not self.following:
                self.unread += len(shown)
        self._show_heading()

    def _matching(self, lines: Iterable[tuple[str, Level]]) -> list[str]:
        if not self._filter:
            return [line for line, _ in lines]
        matches = self._filter.matcher()
        return [line for line, level in lines if matches(line, level)]

    def search(self) -> None:
        """Ask for a text; only lines with it are shown."""
        self._search.open(self._filter.text)

    def next_level(self) -> None:
        """Show only warnings and errors, then only errors, then all lines again."""
        level = Level((self._filter.level + 1) % len(Level))
        self._set_filter(LogFilter(self._filter.text, level))

    @on(FilterInput.Changed)
    def _filter_text(self, event: FilterInput.Changed) -> None:
        event.stop()
        self._set_filter(LogFilter(event.value, self._filter.level))

    @on(FilterInput.Closed)
    def _close_search(self, event: FilterInput.Closed) -> None:
        event.stop()
        self.focus_lines()

    def _set_filter(self, log_filter: LogFilter) -> None:
        if log_filter != self._filter:
            self._filter = log_filter
            self._lines.replace(self._matching(self._held), log_filter.text)
            self.unread = 0
            self._show_heading()

    def follow(self) -> None:
        """Scroll to the newest line and keep it in view."""
        self._lines.follow()

    def focus_lines(self) -> None:
        """Focus the lines, so that keys scroll them."""
        self._lines.focus()

    def tail(self, *, max_lines: int, max_bytes: int) -> str:
        """Return the last lines as one text, without cutting a line."""
        kept: list[str] = []
        for line in reversed(self._lines.lines[-max_lines:]):  # those that the filter shows
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
        if self._filter:
            shown, held = self._lines.line_count, len(self._held)
            text += Content.styled(f"   {self._filter}", "bold $primary")
            text += Content.styled(f": {shown:,} of {held:,} lines", "$foreground 60%")
        if self.following:
            text += Content.styled("   following", "$foreground 60%")
        else:
            unread = f", {self.unread:,} new below" if self.unread else ""
            text += Content.styled(f"   paused{unread}", "bold $warning")
            key = key_of("monitor.follow")
            text += Content.styled(f"   {key} follows again", "$foreground 60%")
        if self._left_out:
            left_out = f"   earlier lines are left out: {self._left_out:,}"
            text += Content.styled(left_out, "$foreground 60%")
        search = f"   {key_of('monitor.search')} search  {key_of('monitor.level')} level"
        text += Content.styled(search, "$foreground 60%")
        if text != self._heading.content:
            self._heading.update(text, layout=False)


def _cells(line: str) -> int:
    return len(line) if line.isascii() else cell_len(line)


def _up(offset: Offset | None, lines: int) -> Offset | None:
    return None if offset is None else Offset(offset.x, max(0, offset.y - lines))
