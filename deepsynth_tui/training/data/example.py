"""A conversation as a model reads and learns it.

Instructions from the configuration replace those of the dataset, the text of the document takes the
place of its images for a text-only model, and the text encoder gets its instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deepsynth_tui.conversations.conversation import (
    Conversation,
    Message,
    StoredImage,
    message_text,
    text_part,
)
from deepsynth_tui.conversations.layouts import DEFAULT_INSTRUCTION

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings


@dataclass(frozen=True, slots=True)
class Truncation:
    """How many of the characters of the document or the answer are kept."""

    part: Literal["document", "answer"]
    characters: int
    total: int


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as the model reads it: the question and the answer that it learns.

    Attributes:
        question: Turns before the answer, with one image part per image.
        instruction: What the text encoder gets instead of the model, None without a text encoder.
        document: The text on the images, None if the dataset does not have it.
        truncation: What is missing of the document or of the end of the answer.
    """

    row_id: str
    question: Sequence[Message]
    answer: str
    images: Sequence[StoredImage]
    instruction: str | None = None
    document: str | None = None
    truncation: Truncation | None = None

    @property
    def answer_truncated(self) -> bool:
        """Whether the end of the answer is missing."""
        return self.truncation is not None and self.truncation.part == "answer"


@dataclass(frozen=True, slots=True)
class ExampleBuilder:
    """Turns conversations into examples for one model.

    Without `images`, for a text-only model, images are left out and the text that is drawn on them
    takes their place. With `text_encoder`, the text of the last question becomes the instruction
    and is left out of the question; earlier turns stay.
    """

    data: DataSettings
    images: bool
    text_encoder: bool

    def build(self, conversation: Conversation, truncation: Truncation | None = None) -> Example:
        """Return the example of a conversation, with its document or answer truncated."""
        *question, _ = conversation.messages
        answer = conversation.answer
        if truncation is not None and truncation.part == "answer":
            answer = answer[: truncation.characters]
        if self.data.instruction:
            question = _replace_instruction(question, self.data.instruction)
        instruction = None
        if self.text_encoder:
            question, instruction = _split_off_instruction(question, conversation)
        if not self.images:
            text = self._document(conversation)
            if truncation is not None and truncation.part == "document":
                text = text[: truncation.characters]
            question = _replace_images_by_text(question, text)
        return Example(
            row_id=conversation.row_id,
            question=question,
            answer=answer,
            images=conversation.images if self.images else [],
            instruction=instruction,
            document=conversation.prompted_document or conversation.document,
            truncation=truncation,
        )

    def truncatable_text(
        self, conversation: Conversation
    ) -> tuple[Literal["document", "answer"], str]:
        """Return the part of a conversation that may be truncated, and its text.

        For a text-only model that is the document. For a model with images it is the answer, whose
        beginning can be learned without its end.
        """
        if self.images:
            return "answer", conversation.answer
        return "document", self._document(conversation)

    def _document(self, conversation: Conversation) -> str:
        """Return the text that takes the place of the images; empty if the dataset lacks it."""
        prompted = None if self.text_encoder else conversation.prompted_document
        return prompted or conversation.document or ""


def _replace_instruction(messages: Sequence[Message], instruction: str) -> list[Message]:
    """Replace the text of the last turn; its images stay."""
    *before, last = messages
    images = [part for part in last["content"] if part["type"] == "image"]
    return [*before, {**last, "content": [*images, text_part(instruction)]}]


def _split_off_instruction(
    messages: Sequence[Message], conversation: Conversation
) -> tuple[list[Message], str]:
    """Return the messages without the text of the last turn, and that text."""
    *before, last = messages
    parts = [part for part in last["content"] if part["type"] != "text"]
    instruction = message_text(last).strip() or conversation.instruction or DEFAULT_INSTRUCTION
    return [*before, {**last, "content": parts}], instruction


def _replace_images_by_text(messages: Sequence[Message], text: str) -> list[Message]:
    """Replace the first image by the document's text and drop the others."""
    inserted = False
    replaced: list[Message] = []
    for message in messages:
        parts = []
        for part in message["content"]:
            if part["type"] != "image":
                parts.append(part)
            elif not inserted:
                inserted = True
                parts.append(text_part(f"{text}\n\n" if text else ""))
        replaced.append({**message, "content": parts})
    if text and not inserted:
        last = replaced[-1]
        replaced[-1] = {**last, "content": [text_part(f"{text}\n\n"), *last["content"]]}
    return replaced
