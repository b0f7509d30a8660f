"""One document, drawn: what the rest of this room knows of reading and drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.drawing.rendering import DrawnPage, Renderer
from deepsynth_tui.dataset.errors import CharactersLost, DocumentTooLong
from deepsynth_tui.dataset.reading.compose import Composed, Skipped, compose
from deepsynth_tui.dataset.reading.sources import Document


@dataclass(frozen=True, slots=True)
class DrawnDocument:
    """A document, the PNG files of its pages, and what became of its characters.

    `fonts` are those that drew it. `flaws` count those of `FlawSettings` that drawing and cleaning
    can bring; `missing` are the characters that no font had.
    """

    document: Composed
    pages: tuple[bytes, ...]
    font_size: int
    fonts: tuple[str, ...]
    lines: int
    flaws: Mapping[str, int]
    missing: Counter[str]


def draw_document(
    document: Document, config: DatasetConfig, cached_renderer: Renderer
) -> DrawnDocument | Skipped:
    """Draw one document with the renderer of `config`.

    Raises `DocumentTooLong`, `FontError`, `PageError`, and `CharactersLost` where the pages do not
    hold all of it.
    """
    composed = compose(document, config)
    if isinstance(composed, Skipped):
        return composed
    rendered = cached_renderer.render(composed.drawn_text, composed.source_hash)
    check_whole(composed, rendered.pages, rendered.lost_characters)
    if len(rendered.pages) > 1 and config.on_overflow == "error":
        raise DocumentTooLong(
            f"document {composed.source_id} needs {len(rendered.pages)} pages",
            "Set on_overflow to paginate, take a larger page or a smaller font, or shorten it.",
            "on_overflow",
        )
    return DrawnDocument(
        document=composed,
        pages=tuple(page.png for page in rendered.pages),
        font_size=rendered.font_size,
        fonts=rendered.fonts,
        lines=rendered.lines,
        flaws={
            "missing_glyphs": rendered.missing.total(),
            "clipped_glyphs": rendered.clipped_glyphs,
            "split_tokens": rendered.split_tokens,
            "removed_characters": composed.removed_controls + composed.replaced_surrogates,
        },
        missing=rendered.missing,
    )


def cached_renderer(config: DatasetConfig) -> Renderer:
    """Return the renderer of this process for `config`; its glyphs are drawn once.

    Raises `FontError` and `PageError`.
    """
    return _renderer(config.model_dump_json(include={"page", "degrade", "seed"}))


@cache
def _renderer(settings: str) -> Renderer:
    config = DatasetConfig.model_validate_json(settings)
    return Renderer(config.page, config.degrade, config.seed)


def check_whole(composed: Composed, pages: Sequence[DrawnPage], lost_characters: int) -> None:
    """Raise `CharactersLost` where the pages together are not exactly the text."""
    text, reached = composed.drawn_text, 0
    for page in pages:
        if page.start != reached:
            raise _lost(composed, f"a page begins at character {page.start}, not {reached}")
        reached = page.end
    if reached != len(text) and (pages or not is_blank(text)):
        raise _lost(composed, f"characters {reached} to {len(text)} are on no page")
    if lost_characters:
        raise _lost(composed, f"{lost_characters} characters were laid out and not drawn")


def _lost(composed: Composed, what: str) -> CharactersLost:
    return CharactersLost(
        f"document {composed.source_id}: {what}",
        "This is a fault of the program, never of the document: please report it with the "
        "document. Without that document the run can be started anew.",
    )
