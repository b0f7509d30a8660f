"""The pages of a dataset, row by row, with question and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, ScrollableContainer, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.calm_screen import CalmScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.tui.widgets.footer import DiffedFooter

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import Config
    from deepsynth_tui.workflows.row_pages import RowPages

ZOOMS = (1, 2, 4)
"""Widths of a page in widths of the screen."""


class PagesScreen(ReportsWorkerErrors, CalmScreen[None]):
    """Shows one row at a time.

    The arrow keys scroll a page that is larger than the screen; rows have letters as well.
    """

    CSS_PATH = "pages.tcss"
    BINDINGS = bindings("pages")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    AUTO_FOCUS = "#page"

    def __init__(self, config: Config) -> None:
        """`config` says which documents are drawn, or which dataset is opened."""
        super().__init__()
        self._config = config
        self._index = 0
        self._zoom = ZOOMS[0]
        self._is_last: bool | None = None
        self._rows: dict[tuple[int, int], RowPages] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        with Container(id="body"):
            with ScrollableContainer(id="page"):
                yield Static(markup=False)
            with VerticalScroll(id="texts", can_focus=False):
                yield Static(markup=False)
        yield DiffedFooter()

    def on_mount(self) -> None:
        self.call_after_refresh(self._load)

    def action_turn(self, direction: int) -> None:
        """Show the row before (-1) or after (1)."""
        if self._index + direction < 0 or (direction > 0 and self._is_last):
            self.notify("There are no more rows in this direction.", timeout=3)
            return
        self._index += direction
        self._load()

    def action_zoom(self) -> None:
        """Show the page wider, or again as wide as the screen."""
        self._zoom = ZOOMS[(ZOOMS.index(self._zoom) + 1) % len(ZOOMS)]
        self._load()

    @work(exclusive=True, group="page", exit_on_error=False)
    async def _load(self) -> None:
        from deepsynth_tui.child_process import ChildError
        from deepsynth_tui.workflows.row_pages import request_row_pages

        columns = self._zoom * max(self.query_one("#page").content_size.width - 1, 20)
        key = (self._index, columns)
        self._show_title("reading …" if key not in self._rows else "")
        if key not in self._rows:
            try:
                self._rows[key] = await request_row_pages(self._config, self._index, columns)
            except ChildError as error:
                self._show_texts(f"{error.message}\n{error.advice}", "")
                self._show_title("not read")
                return
        self._show(self._rows[key])

    def _show(self, row: RowPages) -> None:
        self._is_last = row.is_last
        self._show_title(row.name)
        page = "\n\n".join("\n".join(lines) for lines in row.pages) or "\n".join(row.remarks)
        self.query_one("#page > Static", Static).update(page)
        self.query_one("#page").scroll_home(animate=False)
        question = f"{row.question}\n\n" if row.question else ""
        self._show_texts("\n".join(row.remarks), f"{question}→ {row.answer}")

    def _show_title(self, state: str) -> None:
        keys = "← → row" if self._zoom == ZOOMS[0] else "← ↑ → ↓ scroll · p n row"
        last = " (last)" if self._is_last else ""
        self.query_one("#title", Static).update(
            Content.assemble(
                (f"Row {self._index + 1}{last}", "bold $primary"),
                f"  {sanitize(state)}  ",
                (f"{self._zoom}x · {keys} · {key_of('pages.zoom')} zoom", "$muted"),
            )
        )

    def _show_texts(self, remarks: str, text: str) -> None:
        self.query_one("#texts > Static", Static).update(
            Content.assemble((f"{_clean(remarks)}\n\n" if remarks else "", "$muted"), _clean(text))
        )


def _clean(text: str) -> str:
    return "\n".join(sanitize(line) for line in text.splitlines())
