"""The model's answers to a sample page from evaluation to evaluation, beside the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.reactive import reactive
from textual.widgets import Static

from deepsynth_tui.page_thumbnail import fit_thumbnail
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import RunState, WarningCount
from deepsynth_tui.tui.run_view.answers import (
    SampleAnswer,
    SampleHistory,
    one_line,
    sample_histories,
)
from deepsynth_tui.tui.widgets.label_grid import label_grid

ANSWERS_WIDTH = 24
"""Columns needed to show answers beside a page; in a narrower pane the page is below them."""
MIN_PAGE_WIDTH = 12
GAP = 2
WRONG = "underline red"
"""Underlined as well: colour alone must not say it."""
LABEL_WIDTH = 10
RESERVED_ROWS = 5
"""Rows for what is not an answer of one row: the expected one, longer ones, the input."""


class SamplePane(VerticalScroll):
    """One sample: the page, what is expected, and every answer with its wrong characters marked.

    Below them are the warnings of the run.
    """

    DEFAULT_CSS = """
    SamplePane {
        height: 1fr;
        padding: 0 1;
        border: round $frame;
        border-title-color: $foreground;
        scrollbar-size: 0 1;
        scrollbar-background: $background;
        scrollbar-color: $panel;
        &:focus { border: round $primary; }
    }
    """

    index: reactive[int] = reactive(0)
    """The sample that is shown."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Static()
        self._state = RunState()
        self._histories: list[SampleHistory] = []
        self._drawn_size: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, state: RunState) -> None:
        """Show the samples and warnings of a run."""
        before, self._state = self._state, state
        if before.samples != state.samples:
            self._histories = sample_histories(state.samples)
        if (before.samples, before.warnings) != (state.samples, state.warnings):
            self._draw()

    def turn(self, by: int) -> None:
        """Show the next sample, or the one before."""
        if self._histories:
            self.index = (self.index + by) % len(self._histories)

    def watch_index(self) -> None:
        self._draw()

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        if self._drawn_size != self.scrollable_content_region.size:
            self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        region = self.scrollable_content_region
        self._drawn_size = region.size
        count = len(self._histories)
        title = f"sample {self.index % count + 1}/{count}  ← →" if count else "samples"
        if self.border_title != title:
            self.border_title = title
        history = self._histories[self.index % count] if count else None
        self._text.update(_content(history, self._state.warnings, region.width, region.height))


def _content(
    history: SampleHistory | None, warnings: Sequence[WarningCount], width: int, height: int
) -> Group:
    parts: list[RenderableType] = []
    if history is None:
        parts.append(Text("The model answers before and after training.", "dim"))
    else:
        parts += _answers_and_page(history, width, height)
    if warnings:
        rows = (("!", _warning(warning)) for warning in warnings)
        parts += [Text("\nwarnings", "bold"), label_grid(rows)]
    return Group(*parts)


def _answers_and_page(history: SampleHistory, width: int, height: int) -> Iterator[RenderableType]:
    """Yield a page and the answers to it, side by side where the pane is wide enough."""
    room = width - GAP - ANSWERS_WIDTH
    beside = bool(history.page) and room >= MIN_PAGE_WIDTH
    answers = label_grid(_rows(history, ANSWERS_WIDTH if beside else width, height))
    if not history.page:
        yield answers
    elif beside:
        thumbnail = _thumbnail(tuple(history.page), room, height)
        grid = Table.grid(padding=(0, GAP))
        grid.add_column(width=len(thumbnail[0]) if thumbnail else 1, no_wrap=True)
        grid.add_column(ratio=1)
        grid.expand = True
        grid.add_row(Text("\n".join(thumbnail)), answers)
        yield grid
    else:
        yield answers
        yield Text("\n".join(_thumbnail(tuple(history.page), width, height)), no_wrap=True)


# Cached: every evaluation redraws the same pages, and a dense page takes 15 ms to shrink.
@lru_cache(maxsize=32)
def _thumbnail(page: tuple[str, ...], width: int, height: int) -> tuple[str, ...]:
    """Return the page in at most so many columns, narrower if it would be higher than `height`."""
    lines = [sanitize(line) for line in page]
    fitted = fit_thumbnail(lines, width)
    while len(fitted) > height and (columns := len(fitted[0]) * height // len(fitted)) >= 1:
        smaller = fit_thumbnail(lines, columns)
        if len(smaller) >= len(fitted):
            break
        fitted = smaller
    return tuple(fitted)


def _rows(history: SampleHistory, width: int, height: int) -> Iterator[tuple[str, str | Text]]:
    """Yield the expected answer, the first one and the last ones that have room, and the input."""
    limit = max(2, height // 6) * max(8, width - LABEL_WIDTH)
    yield "want", Text(_shorten(history.target, limit) or "(empty)", "bold")
    hidden = max(0, len(history.answers) - max(2, height - RESERVED_ROWS))
    for index, answer in enumerate(history.answers):
        if index == 1 and hidden:
            yield "…", Text(f"{hidden} answers between are left out", "dim")
        if index == 0 or index > hidden:
            yield answer.when, _marked(answer, limit)
    yield "input", Text(_shorten(history.input, 2 * limit) or "(empty)", "dim")


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit} characters)"


def _marked(answer: SampleAnswer, limit: int) -> Text:
    """Return an answer with its wrong characters underlined; a right one ends with "ok"."""
    text = Text()
    for part in answer.parts:
        text.append(part.text, WRONG if part.is_wrong else "")
    if (more := len(text) - limit) > 0:
        text.truncate(limit)
        text.append(f"… (+{more} characters)", "dim")
    if not answer.parts:
        text.append("(empty)", "dim")
    if answer.is_cut:
        text.append("  cut: it did not end", "dim")
    elif answer.is_right:
        text.append("  ok", "green")
    return text


def _warning(warning: WarningCount) -> str:
    times = f" ({warning.count} times)" if warning.count > 1 else ""
    return f"{one_line(warning.message)}{times}"


class PagePane(VerticalScroll):
    """The first page of a dataset run."""

    DEFAULT_CSS = """
    PagePane {
        height: 1fr;
        padding: 0 1;
        border: round $frame;
        border-title-color: $foreground;
        scrollbar-size: 0 1;
        &:focus { border: round $primary; }
    }
    """
    BORDER_TITLE = "first page"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Static("No page is drawn yet.", markup=False)
        self._page: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, page: Sequence[str]) -> None:
        """Show a page, lines of braille."""
        if tuple(page) != self._page:
            self._page = tuple(page)
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the page into the new size."""
        self._draw()

    def _draw(self) -> None:
        region = self.scrollable_content_region
        if self._page and region.width:
            lines = _thumbnail(self._page, region.width, region.height)
            self._text.update(Text("\n".join(lines), no_wrap=True))
