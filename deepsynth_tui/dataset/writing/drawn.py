"""One document, drawn: what the rest of this room knows of reading and drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from deepsynth_tui.config.dataset import DatasetConfig, PageSettings
from deepsynth_tui.dataset.cleaning import is_blank
from deepsynth_tui.dataset.drawing.rendering import Renderer
from deepsynth_tui.dataset.errors import CharactersLost, DocumentTooLong
from deepsynth_tui.dataset.reading.composing import Composed, Skipped, compose
from deepsynth_tui.dataset.reading.sources import Document

NOT_SHAPED = "right-to-left or joined script, which cannot be drawn yet"


class Ranged(Protocol):
    """Which characters of the text are on a page."""

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class DrawnDocument:
    """A document, the PNG files of its pages, and what became of its characters.

    `flaws` count those of `FlawSettings` that drawing and cleaning can bring; `missing` are the
    characters that no font had.
    """

    document: Composed
    pages: tuple[bytes, ...]
    font_size: int
    lines: int
    flaws: Mapping[str, int]
    missing: Counter[str]


def draw_document(document: Document, config: DatasetConfig) -> DrawnDocument | Skipped:
    """Draw one document.

    Raises `DocumentTooLong`, `FontError`, `PageError`, and `CharactersLost` where the pages do not
    hold all of it.
    """
    composed = compose(document, config)
    if isinstance(composed, Skipped):
        return composed
    rendered = renderer(config.page).render(composed.drawn_text)
    if rendered.unshaped:
        return Skipped(composed.source_id, NOT_SHAPED)
    check_whole(composed, rendered.pages, rendered.lost_lines)
    if len(rendered.pages) > 1 and config.on_overflow == "error":
        raise DocumentTooLong(
            f"document {composed.source_id} needs {len(rendered.pages)} pages",
            "Set on_overflow to paginate, take a larger page or a smaller font, or shorten it.",
            "on_overflow",
        )
    return DrawnDocument(
        document=composed,
        pages=tuple(page.png() for page in rendered.pages),
        font_size=rendered.font_size,
        lines=rendered.lines,
        flaws={
            "missing_glyphs": rendered.missing.total(),
            "clipped_glyphs": rendered.clipped_glyphs,
            "split_tokens": rendered.split_tokens,
            "removed_characters": composed.removed_controls + composed.replaced_surrogates,
        },
        missing=rendered.missing,
    )


def renderer(page: PageSettings) -> Renderer:
    """Return the renderer of this process for `page`; its glyphs are drawn once."""
    return _renderer(page.model_dump_json())


@cache
def _renderer(page: str) -> Renderer:
    return Renderer(PageSettings.model_validate_json(page))


def check_whole(composed: Composed, pages: Sequence[Ranged], lost_lines: int) -> None:
    """Raise `CharactersLost` where a character that leaves ink, or a line, is on no page."""
    text, reached = composed.drawn_text, 0
    for start, end in [*((page.start, page.end) for page in pages), (len(text), len(text))]:
        if start > reached and not is_blank(text[reached:start]):
            raise _lost(composed, f"characters {reached} to {start} are on no page")
        reached = max(reached, end)
    if lost_lines:
        raise _lost(composed, f"{lost_lines} lines were laid out and not drawn")


def _lost(composed: Composed, what: str) -> CharactersLost:
    return CharactersLost(
        f"document {composed.source_id}: {what}",
        "This is a fault of the program, never of the document: please report it with the "
        "document. Without that document the run can be started anew.",
    )
