"""Preview of the documents: their number, columns, first page and the start of the first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import key_of

if TYPE_CHECKING:
    from deepsynth_tui.models.page_for_model import PageForModel
    from deepsynth_tui.workflows.preflight import (
        ColumnPreview,
        FirstPage,
        LookedAt,
        Preflight,
        Proposal,
    )


NOTHING_CHOSEN = "No documents chosen yet. Try builtin:sample."
KINDS_OF_SOURCES = {
    "builtin:sample": "short documents to try with",
    "a folder": "text, PDF, Word, EPUB or HTML files",
    "a table": "CSV, JSON, Parquet or tar, row by row",
    "a pattern": "as in reports/*.txt",
    "a Hub id": "as in owner/name",
}
"""What documents can be, and what becomes of them."""


def _what_can_be_chosen() -> Content:
    lines = [Content.styled("No documents chosen yet.", "bold $primary"), Content()]
    for kind, meaning in KINDS_OF_SOURCES.items():
        lines += [Content(kind), Content.styled(f"  {meaning}", "$muted")]
    promise = "Their number, columns and first page are shown here."
    return Content("\n").join([*lines, Content(), Content.styled(promise, "$muted")])


class SourcePanel(VerticalScroll):
    """Shows the result of the preflight check; only its first line in a narrow terminal."""

    DEFAULT_CSS = """
    SourcePanel {
        scrollbar-size-vertical: 1;
        & > #source-line { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > #source-details { height: auto; }
    }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._proposal: Proposal | None = None

    def compose(self) -> ComposeResult:
        yield Static(NOTHING_CHOSEN, id="source-line", markup=False)
        yield Static(_what_can_be_chosen(), id="source-details", markup=False)

    def on_mount(self) -> None:
        self.border_title = "Documents"

    @property
    def proposal(self) -> Proposal | None:
        """The proposed columns, None if there are none."""
        return self._proposal

    def show_status(self, status: str) -> None:
        """Show what is in progress, or why nothing is known."""
        self._show(status, Content(status))

    def show_nothing_chosen(self) -> None:
        """Show what documents can be."""
        self._show(NOTHING_CHOSEN, _what_can_be_chosen())

    def _show(self, line: str, details: Content) -> None:
        self._proposal = None
        self.query_one("#source-line", Static).update(line)
        self.query_one("#source-details", Static).update(details)

    def show_preflight(
        self,
        preflight: Preflight,
        model_page: PageForModel | None = None,
        *,
        used: Mapping[str, Any],
    ) -> None:
        """Show the result of the check, and how the first page looks to a model.

        A proposal whose settings are all in `used` is not shown.
        """
        proposal = preflight.proposal
        if proposal and proposal.settings.items() <= used.items():
            proposal = None
        self._proposal = proposal
        preflight = replace(preflight, proposal=proposal)
        self.query_one("#source-line", Static).update(Content(" · ".join(_summary(preflight))))
        self.query_one("#source-details", Static).update(_details(preflight, model_page))


def looked_at_text(looked_at: LookedAt | None, count: int | None) -> str:
    """Return how many of `count` documents were looked at; empty if all of them, and all good."""
    if looked_at is None:
        return ""
    left_out = [
        f"{number:,} {name}"
        for name, number in (("empty", looked_at.empty), ("bad", looked_at.bad))
        if number
    ]
    if looked_at.is_all:
        total = f" of {_documents(looked_at.documents)} will be left out"
        return f"{', '.join(left_out)}{total}" if left_out else ""
    total = f" of {count:,}" if count is not None else ""
    first = f"the first {looked_at.documents:,}{total} documents were looked at"
    return f"{first}: {', '.join(left_out)}" if left_out else first


def _summary(preflight: Preflight) -> list[str]:
    if preflight.problems:
        return [f"✗ {preflight.problems[0].message}"]
    documents = [] if preflight.count is None else [_documents(preflight.count)]
    columns = [f"columns: {', '.join(preflight.columns)}"] if preflight.columns else []
    page = preflight.page.figures if preflight.page else None
    pages = [f"{_pages(page.pages)} at {page.font_size} px"] if page else []
    return documents + pages + columns or ["No documents found."]


def _details(preflight: Preflight, model_page: PageForModel | None) -> Content:
    parts: list[Content | str] = []
    if preflight.count is not None:
        parts += [Content.styled(_documents(preflight.count), "bold $primary"), "\n"]
    if looked_at := looked_at_text(preflight.looked_at, preflight.count):
        parts += [Content.styled(f"{looked_at}\n", "$text-warning")]
    parts += [Content.styled(f"{sanitize(line)}\n", "$muted") for line in preflight.contents]
    if preflight.column_previews:
        parts += ["\n", Content.styled("columns", "$muted"), "\n"]
        parts += map(_column, preflight.column_previews)
    elif preflight.columns:
        parts += ["\n", Content.styled("columns", "$muted"), "\n"]
        parts += [f"  {sanitize(column)}\n" for column in preflight.columns]
    if preflight.proposal:
        use = key_of("source.propose", while_typing=True)
        parts += ["\n", Content.styled(f"proposed columns ({use} uses them)", "$muted"), "\n"]
        parts += [f"  {key} {sanitize(str(v))}\n" for key, v in preflight.proposal.settings.items()]
        parts.append(Content.styled(f"  {sanitize(preflight.proposal.why)}\n", "$muted"))
    for notice in preflight.notices:
        parts += ["\n", Content.styled("! ", "$text-warning"), f"{notice.message}\n"]
    for problem in preflight.problems:
        parts += ["\n", Content.styled("✗ ", "$text-error"), f"{problem.message}\n"]
        parts += [Content.styled(f"{problem.hint}\n", "$muted")] if problem.hint else []
    if preflight.page:
        parts += _first_page(preflight.page, model_page)
    if preflight.first:
        parts += ["\n", Content.styled("start of the first document", "$muted"), "\n\n"]
        parts.append("\n".join(sanitize(line) for line in preflight.first.splitlines()))
    return Content.assemble(*parts) if parts else Content("No documents found.")


def _column(column: ColumnPreview) -> Content:
    filled = "" if column.filled in (1, None) else f" {column.filled:.0%} filled"
    example = sanitize(column.kind if column.filled is None else column.example)
    return Content.assemble(f"  {sanitize(column.name)}{filled}  ", (example, "$muted"), "\n")


def _first_page(first: FirstPage, model_page: PageForModel | None) -> list[Content | str]:
    """Return a thumbnail of the first page, with its figures and flaws."""
    page = first.figures
    figures = [
        f"{_pages(page.pages)} of {page.width} x {page.height} px",
        f"{page.characters} characters on the first page",
        f"text {page.font_size} px, x-height {page.x_height:g} px",
        ", ".join(page.fonts),
    ]
    flaws = {
        "characters missing from all fonts": page.missing_glyphs,
        "words split because they are longer than a line": page.split_tokens,
        "glyphs cut off at the edge": page.clipped_glyphs,
        "characters in the answer that nobody can read on a page": page.unreadable_characters,
    }
    parts: list[Content | str] = ["\n", Content.styled("first page", "$muted"), "\n"]
    parts += [f"  {line}\n" for line in figures]
    if model_page:
        mark = "  " if model_page.is_legible else Content.styled("! ", "$text-warning")
        parts += [
            f"  {sanitize(model_page.model)}: {model_page.tokens} tokens per page,\n",
            f"    {model_page.characters_per_token:.1f} characters per token,\n  ",
            mark,
            f"x-height {model_page.x_height:.1f} px after resizing\n",
        ]
    for name, count in flaws.items():
        if count:
            parts += [Content.styled("  ! ", "$text-warning"), f"{count} {name}\n"]
    return [*parts, "\n", "\n".join(first.thumbnail), "\n"]


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count} pages"


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count:,} documents"
