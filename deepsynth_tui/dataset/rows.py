"""What the rows of a document are: the whole document, its pages, or parts of its text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.drawing.renderer import RenderedPage
from deepsynth_tui.dataset.reading.compose import ComposedDocument, prompted_text
from deepsynth_tui.dataset.split_text import split_text, trim


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """A row: pages, the text on them, and the answer.

    `first_page` is the number of its first page among those of the document, from 1.
    """

    text: str
    prompted_text: str
    target: str
    pages: tuple[RenderedPage, ...]
    first_page: int


def texts_to_draw(
    document: ComposedDocument, config: DatasetConfig
) -> Iterator[tuple[ComposedDocument, str]]:
    """Yield each text that is drawn on pages of its own, and the key for what is random in it.

    That is the document itself, or its parts of at most `rows.characters` characters.
    """
    if config.row_characters is None:
        yield document, document.source_hash
        return
    for number, text in enumerate(split_text(document.text, config.row_characters), start=1):
        key = document.source_hash if number == 1 else f"{document.source_hash}:{number}"
        yield document.part(text), key


def rows_of(
    document: ComposedDocument,
    pages: Sequence[RenderedPage],
    config: DatasetConfig,
    *,
    first_page: int,
) -> Iterator[DrawnRow]:
    """Yield the rows of a document, or of a part of it, that was drawn on `pages`."""
    if config.rows == "page":
        yield from _page_rows(document, pages, config)
        return
    yield DrawnRow(document.text, document.prompted_text, document.target, tuple(pages), first_page)


def _page_rows(
    document: ComposedDocument, pages: Sequence[RenderedPage], config: DatasetConfig
) -> Iterator[DrawnRow]:
    """Yield a row for each page, with the text on it and without white space at its ends.

    A page without text of the document, which shows the instruction alone, goes with the next one.
    """
    heading = len(document.drawn_text) - len(document.text)
    groups: list[list[RenderedPage]] = [[]]
    for page in pages:
        groups[-1].append(page)
        if not is_blank(_text_on(document, groups[-1], heading)):
            groups.append([])
    *complete, rest = groups
    if complete:
        complete[-1] += rest
    first_page = 1
    for group in complete:
        text = trim(_text_on(document, group, heading))
        prompted = prompted_text(document.instruction, text)
        if config.instruction_in == "page":
            prompted = trim(document.drawn_text[group[0].start : group[-1].end])
        yield DrawnRow(text, prompted, text, tuple(group), first_page)
        first_page += len(group)


def _text_on(document: ComposedDocument, pages: Sequence[RenderedPage], heading: int) -> str:
    """Return the text of `document`, drawn below `heading` characters, that is on `pages`."""
    return document.text[max(0, pages[0].start - heading) : max(0, pages[-1].end - heading)]
