"""What the documents are: how many, which columns, and how the first one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from deepsynth_tui.runs.console import clean

if TYPE_CHECKING:
    from deepsynth_tui.models.page_for_model import PageForModel
    from deepsynth_tui.workflows.preflight import ColumnPreview, FirstPage, Preflight, Proposal


class SourcePanel(VerticalScroll):
    """Shows what a look at the source found; one line of it in a narrow terminal."""

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
        yield Static("No documents chosen yet.", id="source-line", markup=False)
        yield Static(
            "Choose documents on the left: how many there are, their columns and the beginning "
            "of the first one are shown here.",
            id="source-details",
            markup=False,
        )

    def on_mount(self) -> None:
        self.border_title = "Documents"

    @property
    def proposal(self) -> Proposal | None:
        """The columns that are proposed, None where none are."""
        return self._proposal

    def say(self, state: str) -> None:
        """Say what is being done, or why nothing is known."""
        self._proposal = None
        self.query_one("#source-line", Static).update(state)
        self.query_one("#source-details", Static).update(state)

    def show(self, found: Preflight, seen: PageForModel | None = None) -> None:
        """Show what was found, and what the first page is to a model."""
        self._proposal = found.proposal
        self.query_one("#source-line", Static).update(Content(" · ".join(_facts(found))))
        self.query_one("#source-details", Static).update(_details(found, seen))


def _facts(found: Preflight) -> list[str]:
    count = [] if found.count is None else [f"{found.count} {_documents(found.count)}"]
    columns = [f"columns: {', '.join(found.columns)}"] if found.columns else []
    page = found.page.figures if found.page else None
    drawn = [f"{page.pages} {_pages(page.pages)} at {page.font_size} px"] if page else []
    return count + drawn + columns or ["Nothing found there."]


def _details(found: Preflight, seen: PageForModel | None) -> Content:
    parts: list[Content | str] = []
    if found.count is not None:
        parts += [Content.styled(str(found.count), "bold $primary")]
        parts.append(f" {_documents(found.count)}\n")
    if found.column_previews:
        parts += ["\n", Content.styled("columns", "$muted"), "\n"]
        parts += map(_column, found.column_previews)
    elif found.columns:
        parts += ["\n", Content.styled("columns", "$muted"), "\n"]
        parts += [f"  {clean(column)}\n" for column in found.columns]
    if found.proposal:
        parts += ["\n", Content.styled("proposed (Ctrl+Y takes them)", "$muted"), "\n"]
        parts += [f"  {key} {clean(str(v))}\n" for key, v in found.proposal.settings.items()]
        parts.append(Content.styled(f"  {clean(found.proposal.why)}\n", "$muted"))
    for notice in found.notices:
        parts += ["\n", Content.styled("! ", "$text-warning"), f"{notice.message}\n"]
    for problem in found.problems:
        parts += ["\n", Content.styled("✗ ", "$text-error"), f"{problem.message}\n"]
    if found.page:
        parts += _drawn(found.page, seen)
    if found.first:
        parts += ["\n", Content.styled("the first document begins", "$muted"), "\n\n"]
        parts.append("\n".join(clean(line) for line in found.first.splitlines()))
    return Content.assemble(*parts) if parts else Content("Nothing found there.")


def _column(column: ColumnPreview) -> Content:
    filled = "" if column.filled == 1 else f" {column.filled:.0%} filled"
    example = clean(column.example)
    return Content.assemble(f"  {clean(column.name)}{filled}  ", (example, "$muted"), "\n")


def _drawn(first: FirstPage, seen: PageForModel | None) -> list[Content | str]:
    """Return the first page in small, with what there is to know of it."""
    page = first.figures
    figures = [
        f"{page.pages} {_pages(page.pages)} of {page.width} x {page.height}",
        f"{page.characters} characters on the first",
        f"text {page.font_size} px, x-height {page.x_height:g} px",
        ", ".join(page.fonts),
    ]
    flaws = {
        "characters that no font has": page.missing_glyphs,
        "words longer than a line": page.split_tokens,
        "glyphs cut at the edge": page.clipped_glyphs,
    }
    parts: list[Content | str] = ["\n", Content.styled("the first page", "$muted"), "\n"]
    parts += [f"  {line}\n" for line in figures]
    if seen:
        mark = "  " if seen.is_legible else Content.styled("! ", "$text-warning")
        parts += [
            f"  {clean(seen.model)}: {seen.tokens} tokens a page,\n",
            f"    {seen.characters_per_token:.1f} characters each,\n  ",
            mark,
            f"x-height {seen.x_height:.1f} px after its resize\n",
        ]
    for name, count in flaws.items():
        if count:
            parts += [Content.styled("  ! ", "$text-warning"), f"{count} {name}\n"]
    return [*parts, "\n", "\n".join(first.thumbnail), "\n"]


def _pages(count: int) -> str:
    return "page" if count == 1 else "pages"


def _documents(count: int) -> str:
    return "document" if count == 1 else "documents"
