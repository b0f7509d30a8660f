"""Draw one document: the only module that knows both reading and drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.drawing.renderer import RenderedPage, RenderedText, Renderer
from deepsynth_tui.dataset.errors import CharactersLost, DocumentTooLong
from deepsynth_tui.dataset.reading.compose import ComposedDocument, Skipped, compose
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.rows import DrawnRow, rows_of, texts_to_draw


@dataclass(frozen=True, slots=True)
class DrawnDocument:
    """A document, its rows with the pages, and its flaws.

    `font_sizes` counts its drawn texts by their size; `fonts` are the fonts used. `flaws` counts
    flaws by their name in `FlawSettings`; `missing` counts the characters that no font has a glyph
    for.
    """

    document: ComposedDocument
    rows: tuple[DrawnRow, ...]
    font_sizes: Counter[int]
    fonts: tuple[str, ...]
    lines: int
    flaws: Mapping[str, int]
    missing: Counter[str]

    @property
    def pages(self) -> int:
        """Number of pages of all rows."""
        return sum(len(row.pages) for row in self.rows)


def draw_document(
    document: Document, config: DatasetConfig, renderer: Renderer
) -> DrawnDocument | Skipped:
    """Draw one document with `renderer`, which is that of `config`.

    Raises:
        DocumentTooLong: it needs several pages, and `on_overflow` is `error`.
        FontError: a font cannot be loaded.
        PageError: the page has no room for text.
        CharactersLost: the pages do not show the whole text.
    """
    composed = compose(document, config)
    if isinstance(composed, Skipped):
        return composed
    rows: list[DrawnRow] = []
    drawn: list[RenderedText] = []
    pages = 0
    for part, key in texts_to_draw(composed, config):
        rendered = renderer.render(part.drawn_text, key)
        check_all_drawn(part, rendered.pages, rendered.lost_characters)
        if len(rendered.pages) > 1 and config.on_overflow == "error":
            raise _too_long(part, len(rendered.pages))
        rows += rows_of(part, rendered.pages, config, first_page=pages + 1)
        drawn.append(rendered)
        pages += len(rendered.pages)
    missing = Counter[str]()
    for rendered in drawn:
        missing.update(rendered.missing_glyphs)
    return DrawnDocument(
        document=composed,
        rows=tuple(rows),
        font_sizes=Counter(rendered.font_size for rendered in drawn),
        fonts=tuple(sorted({font for rendered in drawn for font in rendered.fonts})),
        lines=sum(rendered.lines for rendered in drawn),
        flaws={
            "missing_glyphs": missing.total(),
            "clipped_glyphs": sum(rendered.clipped_glyphs for rendered in drawn),
            "split_tokens": sum(rendered.split_tokens for rendered in drawn),
            "removed_characters": composed.removed_controls + composed.replaced_surrogates,
            "unreadable_characters": composed.unreadable_characters.total(),
        },
        missing=missing,
    )


def _too_long(part: ComposedDocument, pages: int) -> DocumentTooLong:
    return DocumentTooLong(
        f"document {part.source_id} needs {pages} pages",
        "Set on_overflow to paginate, use a larger page or a smaller font, or shorten the "
        "document: rows can split it.",
        "on_overflow",
    )


def cached_renderer(config: DatasetConfig) -> Renderer:
    """Return the renderer for `config`, one per process, so that its glyph cache is shared.

    Raises:
        FontError: a font cannot be loaded.
        PageError: the page has no room for text.
    """
    return _renderer(config.model_dump_json(include={"page", "degrade", "seed"}))


@cache
def _renderer(settings: str) -> Renderer:
    config = DatasetConfig.model_validate_json(settings)
    return Renderer(config.page, config.degrade, config.seed)


def check_all_drawn(
    composed: ComposedDocument, pages: Sequence[RenderedPage], lost_characters: int
) -> None:
    """Raise `CharactersLost` unless the pages together show the whole text."""
    text, end = composed.drawn_text, 0
    for page in pages:
        if page.start != end:
            raise _lost(composed, f"a page starts at character {page.start} instead of {end}")
        end = page.end
    if end != len(text) and (pages or not is_blank(text)):
        raise _lost(composed, f"characters {end} to {len(text)} are on no page")
    if lost_characters:
        raise _lost(composed, f"{lost_characters} characters were laid out but not drawn")


def _lost(composed: ComposedDocument, reason: str) -> CharactersLost:
    return CharactersLost(
        f"document {composed.source_id}: {reason}",
        "This is a bug in deepsynth-tui, not a fault of the document: please report it with the "
        "document. To go on, start a new run without the document.",
    )
