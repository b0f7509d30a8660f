"""What the documents are: how many, which columns, and how the first one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from deepsynth_tui.runs.console import clean

if TYPE_CHECKING:
    from deepsynth_tui.tui.forms.preflight import Preflight


class SourcePanel(VerticalScroll):
    """Shows what a look at the source found; one line of it in a narrow terminal."""

    DEFAULT_CSS = """
    SourcePanel {
        scrollbar-size-vertical: 1;
        & > #source-line { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > #source-details { height: auto; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static("No documents chosen yet.", id="source-line", markup=False)
        yield Static(
            "Choose documents on the left: how many there are, their columns and the beginning "
            "of the first one are shown here.",
            id="source-details",
            markup=False,
        )

    def on_mount(self) -> None:
        self.border_title = "Documents"

    def say(self, state: str) -> None:
        """Say what is being done, or why nothing is known."""
        self.query_one("#source-line", Static).update(state)
        self.query_one("#source-details", Static).update(state)

    def show(self, found: Preflight) -> None:
        """Show what was found."""
        self.query_one("#source-line", Static).update(Content(" · ".join(_facts(found))))
        self.query_one("#source-details", Static).update(_details(found))


def _facts(found: Preflight) -> list[str]:
    count = [] if found.count is None else [f"{found.count} {_documents(found.count)}"]
    columns = [f"columns: {', '.join(found.columns)}"] if found.columns else []
    return count + columns or ["Nothing found there."]


def _details(found: Preflight) -> Content:
    parts: list[Content | str] = []
    if found.count is not None:
        parts += [Content.styled(str(found.count), "bold $primary")]
        parts.append(f" {_documents(found.count)}\n")
    if found.columns:
        parts += ["\n", Content.styled("columns", "$muted"), "\n"]
        parts += [f"  {clean(column)}\n" for column in found.columns]
    for notice in found.notices:
        parts += ["\n", Content.styled("! ", "$text-warning"), f"{notice.message}\n"]
    for problem in found.problems:
        parts += ["\n", Content.styled("✗ ", "$text-error"), f"{problem.message}\n"]
    if found.first:
        parts += ["\n", Content.styled("the first document begins", "$muted"), "\n\n"]
        parts.append("\n".join(clean(line) for line in found.first.splitlines()))
    return Content.assemble(*parts) if parts else Content("Nothing found there.")


def _documents(count: int) -> str:
    return "document" if count == 1 else "documents"
