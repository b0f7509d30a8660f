"""What of a document is drawn, and what a model is to answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import clean, is_blank
from deepsynth_tui.dataset.reading.choose_instruction import choose_instruction
from deepsynth_tui.dataset.reading.filter_documents import reason_to_leave_out
from deepsynth_tui.dataset.reading.sources import Document

# Between the instruction and the document, on the page and in `prompted_text`: a blank line.
SEPARATOR = "\n\n"
EMPTY_TEXT = "empty text"
EMPTY_TARGET = "empty target"
EMPTY_INSTRUCTION = "a column of the instruction is empty"


@dataclass(frozen=True, slots=True)
class ComposedDocument:
    """A document ready to be drawn.

    `text` and `target` are the document's after cleaning; `prompted_text` is the instruction and
    the text; `drawn_text`, exactly what is drawn, is either that or the text alone; `source_hash`
    is the SHA-256 of the text as the source had it. The counts are of characters of the
    text, the instruction and the target.
    """

    source_id: str
    source_hash: str
    instruction: str
    text: str
    prompted_text: str
    drawn_text: str
    target: str
    removed_controls: int
    shown_controls: int
    replaced_surrogates: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is not in the dataset, and why."""

    source_id: str
    reason: str


def compose(document: Document, config: DatasetConfig) -> ComposedDocument | Skipped:
    """Clean `document` and put its instruction above it.

    Skipped are documents that cannot be read, that have no visible text, that `filter` does not
    want, with a target column but nothing in it, or without a value for their instruction.
    """
    name = clean(document.source_id).text
    if document.unreadable is not None:
        return Skipped(name, document.unreadable)
    shown = config.control_characters == "show"
    text = clean(document.text, show=shown)
    if is_blank(text.text):
        return Skipped(name, EMPTY_TEXT)
    if reason := reason_to_leave_out(text.text, config.filter):
        return Skipped(name, reason)
    target = text if document.target is None else clean(document.target, show=shown)
    if is_blank(target.text):
        return Skipped(name, EMPTY_TARGET)
    source_hash = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    instruction = choose_instruction(config, source_hash, document.columns)
    if instruction is None:
        return Skipped(name, EMPTY_INSTRUCTION)
    asked = clean(instruction, show=shown)
    head = asked.text.strip()
    # A target that is the text itself counts once.
    cleaned = (text, asked) if document.target is None else (text, asked, target)
    prompted = head + SEPARATOR + text.text if head else text.text
    return ComposedDocument(
        source_id=name,
        source_hash=source_hash,
        instruction=head,
        text=text.text,
        prompted_text=prompted,
        drawn_text=prompted if config.instruction_in == "page" else text.text,
        target=target.text,
        removed_controls=sum(one.removed_controls for one in cleaned),
        shown_controls=sum(one.shown_controls for one in cleaned),
        replaced_surrogates=sum(one.replaced_surrogates for one in cleaned),
    )
