"""Preview: the first documents drawn exactly as a run would draw them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.conversations.page_image import open_page
from deepsynth_tui.dataset.draw_document import cached_renderer
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry
from deepsynth_tui.dataset.reading.compose import Skipped, compose
from deepsynth_tui.dataset.reading.mixture import Mixture
from deepsynth_tui.dataset.reading.sources import Document, Source
from deepsynth_tui.dataset.rows import texts_to_draw
from deepsynth_tui.models.page_for_model import PageInfo
from deepsynth_tui.page_thumbnail import braille_lines


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """A page as a PNG or JPEG file, and its figures."""

    image: bytes
    figures: PageInfo


def preview(
    config: DatasetConfig, source: Source | Mixture, documents: int
) -> Iterator[PreviewPage | Skipped]:
    """Yield the pages of the first `documents` of `source`, or why a document is skipped.

    Raises:
        DatasetError: the source cannot be read, or a page cannot be drawn.
    """
    for document in islice(source.documents(), documents):
        yield from document_pages(document, config)


def document_pages(document: Document, config: DatasetConfig) -> Iterator[PreviewPage | Skipped]:
    """Yield the pages of one document whatever its flaws, or why it is skipped."""
    composed = compose(document, config)
    if isinstance(composed, Skipped):
        yield composed
        return
    renderer, paper = cached_renderer(config), PageGeometry.from_settings(config.page)
    drawn = [renderer.render(part.drawn_text, key) for part, key in texts_to_draw(composed, config)]
    pages = [(rendered, page) for rendered in drawn for page in rendered.pages]
    for number, (rendered, page) in enumerate(pages, start=1):
        yield PreviewPage(
            page.image,
            PageInfo(
                document=composed.source_id,
                page=number,
                pages=len(pages),
                width=paper.width,
                height=paper.height,
                characters=page.end - page.start,
                font_size=rendered.font_size,
                x_height=round(rendered.x_height, 1),
                fonts=rendered.fonts,
                missing_glyphs=rendered.missing_glyphs.total(),
                split_tokens=rendered.split_tokens,
                clipped_glyphs=rendered.clipped_glyphs,
                unreadable_characters=composed.unreadable_characters.total(),
            ),
        )


def first_page(document: Document, config: DatasetConfig) -> PreviewPage | None:
    """Return the first page of a document, or None if the document is skipped."""
    page = next(document_pages(document, config), None)
    return page if isinstance(page, PreviewPage) else None


def thumbnail(image: bytes, columns: int) -> list[str]:
    """Return a page as lines of `columns` braille characters."""
    return braille_lines(open_page({"bytes": image}).image, columns)
