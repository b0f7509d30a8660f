"""What of a document is drawn, and what a model is to answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deepsynth_tui.dataset.cleaning import clean, is_blank
from deepsynth_tui.dataset.reading.sources import Document

# Between the instruction and the document, on the page and in `prompted_text`: a blank line.
SEPARATOR = "\n\n"
EMPTY_TEXT = "empty text"
EMPTY_TARGET = "empty target"


@dataclass(frozen=True, slots=True)
class Composed:
    """A document ready to be drawn.

    `text` and `target` are the document's after cleaning; `prompted_text` is exactly what is
    drawn; `source_hash` is the SHA-256 of the text as the source had it.
    """

    source_id: str
    source_hash: str
    instruction: str
    text: str
    prompted_text: str
    target: str
    removed_controls: int
    replaced_surrogates: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is not in the dataset, and why."""

    source_id: str
    reason: str


def compose(document: Document, instruction: str | None) -> Composed | Skipped:
    """Clean `document` and put `instruction` above it.

    A document without visible text, or with a target column but nothing in it, is skipped.
    """
    name = clean(document.source_id).text
    text = clean(document.text)
    target = text if document.target is None else clean(document.target)
    head = clean(instruction or "").text.strip()
    if is_blank(text.text):
        return Skipped(name, EMPTY_TEXT)
    if is_blank(target.text):
        return Skipped(name, EMPTY_TARGET)
    return Composed(
        source_id=name,
        source_hash=hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest(),
        instruction=head,
        text=text.text,
        prompted_text=head + SEPARATOR + text.text if head else text.text,
        target=target.text,
        removed_controls=text.removed_controls,
        replaced_surrogates=text.replaced_surrogates,
    )
