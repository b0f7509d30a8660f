"""Compose what is drawn for a document and what a model should answer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.clean_text import CleanedText, clean, is_blank
from deepsynth_tui.dataset.reading.choose_instruction import choose_instruction
from deepsynth_tui.dataset.reading.filter_documents import rejection_reason
from deepsynth_tui.dataset.reading.questions import QuestionAnswer
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.unreadable_characters import count_unreadable

# Between the instruction and the text, on the page and in `prompted_text`: a blank line.
SEPARATOR = "\n\n"
EMPTY_TEXT = "empty text"
EMPTY_TARGET = "empty target"
EMPTY_QUESTION = "empty question"
NO_QUESTIONS = "no questions"
EMPTY_INSTRUCTION = "a column of the instruction is empty"


@dataclass(frozen=True, slots=True)
class ComposedDocument:
    """A document ready to be drawn.

    `text` and `target` are cleaned. `prompted_text` is the instruction and the text. `drawn_text`,
    exactly what is drawn, is either that or the text alone. `source_hash` is the SHA-256 of the
    text before cleaning. The counts are of characters in text, instruction and target; those in
    `normalized_characters` (removed or replaced) and `unreadable_characters` (left in the answers)
    are by kind, see `dataset.unreadable_characters`.

    `questions` are those about the document with their answers, if the source has a column for
    them. They are not drawn; the last of them is `instruction` and `target`.
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
    normalized_characters: Counter[str]
    unreadable_characters: Counter[str]
    questions: tuple[QuestionAnswer, ...] = ()

    def part(self, text: str) -> ComposedDocument:
        """Return the document with only `text`, a part of its own, to read and to answer."""
        prompted = prompted_text(self.instruction, text)
        drawn = prompted if self.drawn_text == self.prompted_text else text
        return replace(self, text=text, prompted_text=prompted, drawn_text=drawn, target=text)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is left out of the dataset, and why: `detail` says where and what."""

    source_id: str
    reason: str
    detail: str = ""


def compose(document: Document, config: DatasetConfig) -> ComposedDocument | Skipped:
    """Clean `document` and put its instruction above it.

    Skips a document that cannot be read, has no visible text, is rejected by `filter`, has an
    empty target column, lacks a value for its instruction, or has no or an empty question.
    """
    source_id = clean(document.source_id).text
    if document.unreadable is not None:
        return Skipped(source_id, document.unreadable.reason, document.unreadable.detail)
    clean_part = partial(clean, show=config.control_characters == "show", forms=config.normalize)
    text = clean_part(document.text)
    if is_blank(text.text):
        return Skipped(source_id, EMPTY_TEXT)
    if reason := rejection_reason(text.text, config.filter):
        return Skipped(source_id, reason)
    source_hash = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    if document.questions is not None:
        return _with_questions(document.questions, source_id, source_hash, text, clean_part)
    target = text if document.target is None else clean_part(document.target)
    if is_blank(target.text):
        return Skipped(source_id, EMPTY_TARGET)
    instruction = choose_instruction(config, source_hash, document.columns)
    if instruction is None:
        return Skipped(source_id, EMPTY_INSTRUCTION)
    cleaned_instruction = clean_part(instruction)
    heading = cleaned_instruction.text.strip()
    cleaned = [text, cleaned_instruction]
    if document.target is not None:
        cleaned.append(target)
    counts = _total(cleaned)
    prompted = prompted_text(heading, text.text)
    return ComposedDocument(
        source_id=source_id,
        source_hash=source_hash,
        instruction=heading,
        text=text.text,
        prompted_text=prompted,
        drawn_text=prompted if config.instruction_in == "page" else text.text,
        target=target.text,
        removed_controls=counts.removed_controls,
        shown_controls=counts.shown_controls,
        replaced_surrogates=counts.replaced_surrogates,
        normalized_characters=counts.normalized,
        unreadable_characters=count_unreadable(target.text),
    )


def _with_questions(
    questions: Sequence[QuestionAnswer],
    source_id: str,
    source_hash: str,
    document_text: CleanedText,
    clean_part: Callable[[str], CleanedText],
) -> ComposedDocument | Skipped:
    """Return the document with `document_text` and these questions about it."""
    if not questions:
        return Skipped(source_id, NO_QUESTIONS)
    turns = [(clean_part(question), clean_part(answer)) for question, answer in questions]
    if any(is_blank(question.text) for question, _ in turns):
        return Skipped(source_id, EMPTY_QUESTION)
    if any(is_blank(answer.text) for _, answer in turns):
        return Skipped(source_id, EMPTY_TARGET)
    pairs = tuple((question.text.strip(), answer.text) for question, answer in turns)
    last_question, last_answer = pairs[-1]
    counts = _total([document_text, *chain.from_iterable(turns)])
    return ComposedDocument(
        source_id=source_id,
        source_hash=source_hash,
        instruction=last_question,
        text=document_text.text,
        prompted_text=document_text.text,
        drawn_text=document_text.text,
        target=last_answer,
        questions=pairs,
        removed_controls=counts.removed_controls,
        shown_controls=counts.shown_controls,
        replaced_surrogates=counts.replaced_surrogates,
        normalized_characters=counts.normalized,
        unreadable_characters=_sum(count_unreadable(answer) for _, answer in pairs),
    )


def _total(cleaned: Sequence[CleanedText]) -> CleanedText:
    """Return the counts of several texts."""
    return CleanedText(
        "",
        removed_controls=sum(part.removed_controls for part in cleaned),
        shown_controls=sum(part.shown_controls for part in cleaned),
        replaced_surrogates=sum(part.replaced_surrogates for part in cleaned),
        normalized=_sum(part.normalized for part in cleaned),
    )


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total = Counter[str]()
    for counter in counters:
        total.update(counter)
    return total


def prompted_text(instruction: str, text: str) -> str:
    """Return `text` below `instruction`, or alone if that is empty."""
    return instruction + SEPARATOR + text if instruction else text
