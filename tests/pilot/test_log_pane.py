"""The log pane: it follows, it stays, it is bounded."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.selection import Selection

from deepsynth_tui.tui.widgets.log_pane import LogLines, LogPane
from tests.pilot.screen_host import ThemedHost, text_of, until


class PaneHost(ThemedHost):
    def compose(self) -> ComposeResult:
        yield LogPane(max_lines=100)


@pytest.fixture
def app() -> PaneHost:
    return PaneHost()


def numbered(numbers: Iterable[int]) -> list[str]:
    return [f"line {number}" for number in numbers]


def top_line(app: PaneHost) -> str:
    lines = app.query_one(LogLines)
    return lines.lines[lines.scroll_offset.y]


async def test_lines_are_measured_without_a_worker(app: PaneHost):
    """At 5,000 lines a second, a worker for each batch took as long as drawing."""
    async with app.run_test(size=(40, 12)):
        lines = app.query_one(LogLines)
        app.query_one(LogPane).append_lines(["short", "x" * 90, "漢" * 30])
        assert not list(app.workers)
        assert lines.virtual_size.width == 90
        app.query_one(LogPane).append_lines(["漢" * 50])
        assert lines.virtual_size.width == 100


async def test_it_follows_the_newest_line(app: PaneHost):
    async with app.run_test(size=(40, 12)) as pilot:
        pane = app.query_one(LogPane)
        for start in range(0, 60, 20):
            pane.append_lines(numbered(range(start, start + 20)))
            await pilot.pause()
        assert "line 59" in text_of(app.screen)
        assert "following" in text_of(app.screen)


async def test_scrolled_up_it_stays_where_it_is_while_lines_come_and_are_dropped(app: PaneHost):
    async with app.run_test(size=(40, 12)) as pilot:
        pane, lines = app.query_one(LogPane), app.query_one(LogLines)
        pane.append_lines(numbered(range(100)))
        await pilot.pause()
        lines.focus()
        await pilot.press("pageup", "pageup")
        await until(pilot, lambda: not pane.following)
        read = top_line(app)

        for start in range(100, 150, 10):
            pane.append_lines(numbered(range(start, start + 10)))
            await pilot.pause()

        assert lines.line_count == 100
        assert lines.lines[0] == "line 50"
        assert top_line(app) == read
        assert "paused, 50 new below" in text_of(app.screen)


async def test_end_follows_again(app: PaneHost):
    async with app.run_test(size=(40, 12)) as pilot:
        pane, lines = app.query_one(LogPane), app.query_one(LogLines)
        pane.append_lines(numbered(range(80)))
        await pilot.pause()
        lines.focus()
        await pilot.press("home")
        await until(pilot, lambda: not pane.following)
        await pilot.press("end")
        await until(pilot, lambda: pane.following)
        pane.append_lines(["the newest"])
        await pilot.pause()
        assert "the newest" in text_of(app.screen)
        assert pane.unread == 0


async def test_a_resize_does_not_count_as_scrolling(app: PaneHost):
    async with app.run_test(size=(40, 20)) as pilot:
        pane = app.query_one(LogPane)
        pane.append_lines(numbered(range(80)))
        await pilot.resize_terminal(40, 9)
        await pilot.pause()
        assert pane.following
        assert "line 79" in text_of(app.screen)


async def test_a_selection_stays_on_its_text(app: PaneHost):
    async with app.run_test(size=(40, 12)) as pilot:
        pane, lines = app.query_one(LogPane), app.query_one(LogLines)
        pane.append_lines(numbered(range(100)))
        await pilot.pause()
        app.screen.selections = {lines: Selection(Offset(0, 92), Offset(7, 92))}
        await pilot.pause()
        assert not pane.following
        pane.append_lines(numbered(range(100, 130)))
        await pilot.pause()
        assert app.screen.get_selected_text() == "line 92"


async def test_the_mouse_selects_text(app: PaneHost):
    async with app.run_test(size=(40, 12)) as pilot:
        app.query_one(LogPane).append_lines(numbered(range(100)))
        await pilot.pause()
        first = top_line(app)
        await pilot.mouse_down(LogLines, offset=(0, 0))
        await pilot.hover(LogLines, offset=(4, 1))
        await pilot.mouse_up(LogLines, offset=(4, 1))
        selected = app.screen.get_selected_text()
        assert selected is not None
        assert selected.splitlines()[0] == first
        assert not app.query_one(LogPane).following


async def test_skipped_and_unfinished_lines_are_shown(app: PaneHost):
    async with app.run_test(size=(80, 12)) as pilot:
        pane = app.query_one(LogPane)
        pane.append_lines(
            ["after", "", "blank above"], skipped=19_000, unfinished=" 42%|####   | 42/100"
        )
        await pilot.pause()
        shown = text_of(app.screen)
        assert "earlier lines are left out: 19,000" in shown
        assert "42%|####   | 42/100" in shown
        assert shown.index("after") < shown.index("blank above")
        pane.append_lines([], unfinished="")
        await pilot.pause()
        assert "42/100" not in text_of(app.screen)


async def test_the_tail_is_whole_lines(app: PaneHost):
    async with app.run_test(size=(40, 12)):
        pane = app.query_one(LogPane)
        pane.append_lines(numbered(range(100)))
        assert pane.tail(max_lines=2, max_bytes=1000) == "line 98\nline 99\n"
        assert pane.tail(max_lines=50, max_bytes=17) == "line 98\nline 99\n"
