"""Compose what is drawn for a document and what a model should answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import clean, is_blank
from deepsynth_tui.dataset.reading.choose_instruction import choose_instruction
from deepsynth_tui.dataset.reading.filter_documents import rejection_reason
from deepsynth_tui.dataset.reading.sources import Document

# Between the instruction and the text, on the page and in `prompted_text`: a blank line.
SEPARATOR = "\n\n"
EMPTY_TEXT = "empty text"
EMPTY_TARGET = "empty target"
EMPTY_INSTRUCTION = "a column of the instruction is empty"


@dataclass(frozen=True, slots=True)
class ComposedDocument:
    """A document ready to be drawn.

    `text` and `target` are cleaned. `prompted_text` is the instruction and the text. `drawn_text`,
    exactly what is drawn, is either that or the text alone. `source_hash` is the SHA-256 of the
    text before cleaning. The counts are of characters in text, instruction and target.
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
    """A document that is left out of the dataset, and why: `detail` says where and what."""

    source_id: str
    reason: str
    detail: str = ""


def compose(document: Document, config: DatasetConfig) -> ComposedDocument | Skipped:
    """Clean `document` and put its instruction above it.

    Skips a document that cannot be read, has no visible text, is rejected by `filter`, has an
    empty target column, or lacks a value for its instruction.
    """
    source_id = clean(document.source_id).text
    if document.unreadable is not None:
        return Skipped(source_id, document.unreadable.reason, document.unreadable.detail)
    show = config.control_characters == "show"
    text = clean(document.text, show=show)
    if is_blank(text.text):
        return Skipped(source_id, EMPTY_TEXT)
    if reason := rejection_reason(text.text, config.filter):
        return Skipped(source_id, reason)
    target = text if document.target is None else clean(document.target, show=show)
    if is_blank(target.text):
        return Skipped(source_id, EMPTY_TARGET)
    source_hash = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    instruction = choose_instruction(config, source_hash, document.columns)
    if instruction is None:
        return Skipped(source_id, EMPTY_INSTRUCTION)
    cleaned_instruction = clean(instruction, show=show)
    heading = cleaned_instruction.text.strip()
    cleaned = [text, cleaned_instruction]
    if document.target is not None:
        cleaned.append(target)
    prompted_text = heading + SEPARATOR + text.text if heading else text.text
    return ComposedDocument(
        source_id=source_id,
        source_hash=source_hash,
        instruction=heading,
        text=text.text,
        prompted_text=prompted_text,
        drawn_text=prompted_text if config.instruction_in == "page" else text.text,
        target=target.text,
        removed_controls=sum(part.removed_controls for part in cleaned),
        shown_controls=sum(part.shown_controls for part in cleaned),
        replaced_surrogates=sum(part.replaced_surrogates for part in cleaned),
    )
