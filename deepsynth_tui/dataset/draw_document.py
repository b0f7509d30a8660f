"""Draw one document: the only module that knows both reading and drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.drawing.renderer import RenderedPage, Renderer
from deepsynth_tui.dataset.errors import CharactersLost, DocumentTooLong
from deepsynth_tui.dataset.reading.compose import ComposedDocument, Skipped, compose
from deepsynth_tui.dataset.reading.sources import Document


@dataclass(frozen=True, slots=True)
class DrawnDocument:
    """A document, the PNG files of its pages, and its flaws.

    `fonts` are the fonts used. `flaws` counts flaws by their name in `FlawSettings`; `missing`
    counts the characters that no font has a glyph for.
    """

    document: ComposedDocument
    pages: tuple[bytes, ...]
    font_size: int
    fonts: tuple[str, ...]
    lines: int
    flaws: Mapping[str, int]
    missing: Counter[str]


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
    rendered = renderer.render(composed.drawn_text, composed.source_hash)
    check_all_drawn(composed, rendered.pages, rendered.lost_characters)
    if len(rendered.pages) > 1 and config.on_overflow == "error":
        raise DocumentTooLong(
            f"document {composed.source_id} needs {len(rendered.pages)} pages",
            "Set on_overflow to paginate, use a larger page or a smaller font, or shorten the "
            "document.",
            "on_overflow",
        )
    return DrawnDocument(
        document=composed,
        pages=tuple(page.png for page in rendered.pages),
        font_size=rendered.font_size,
        fonts=rendered.fonts,
        lines=rendered.lines,
        flaws={
            "missing_glyphs": rendered.missing_glyphs.total(),
            "clipped_glyphs": rendered.clipped_glyphs,
            "split_tokens": rendered.split_tokens,
            "removed_characters": composed.removed_controls + composed.replaced_surrogates,
        },
        missing=rendered.missing_glyphs,
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
