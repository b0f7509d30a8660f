"""A conversation as a model reads and learns it.

Instructions from the configuration replace those of the dataset, the text of the document takes the
place of its images for a text-only model, and the text encoder gets its instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deepsynth_tui.conversations.conversation import (
    DEFAULT_INSTRUCTION,
    Conversation,
    Message,
    StoredImage,
    message_text,
    text_part,
)
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.answer_in_document import refuse_answer_as_document
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.data import DataSettings

LEARN_TURNS = "data.learn_turns"


@dataclass(frozen=True, slots=True)
class Truncation:
    """How many of the characters of the document or the answer are kept."""

    part: Literal["document", "answer"]
    characters: int
    total: int


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as the model reads it, and the answers that it learns.

    Attributes:
        messages: Turns in order, with one image part per image. The last is an answer that is
            learned: what follows it in the dataset has no effect on the loss and is left out.
        learned: Positions in `messages` of the answers that are learned, ascending.
        instruction: What the text encoder gets instead of the model, None without a text encoder.
        document: The text on the images, None if the dataset does not have it.
        truncation: What is missing of the document or of the end of the last answer.
    """

    row_id: str
    messages: Sequence[Message]
    learned: Sequence[int]
    images: Sequence[StoredImage]
    instruction: str | None = None
    document: str | None = None
    truncation: Truncation | None = None

    @property
    def answer(self) -> str:
        """The text of the last answer."""
        return message_text(self.messages[-1])

    @property
    def answer_truncated(self) -> bool:
        """Whether the end of the last answer is missing."""
        return self.truncation is not None and self.truncation.part == "answer"


@dataclass(frozen=True, slots=True)
class ExampleBuilder:
    """Turns conversations into examples for one model.

    Without `images`, for a text-only model, images are left out and the text that is drawn on them
    takes their place. With `text_encoder`, the text of the last question becomes the instruction
    and is left out of the question; earlier turns stay.

    `data.instruction` and the text encoder have one instruction per row, so that only one answer of
    it can be learned.
    """

    data: DataSettings
    images: bool
    text_encoder: bool

    def build(self, conversation: Conversation, truncation: Truncation | None = None) -> Example:
        """Return the example of a conversation, with its document or last answer truncated.

        Raises:
            RowError: there is no answer to learn, or one that is empty or has an image.
            TrainingError: several answers are to be learned with one instruction.
        """
        messages, learned = self._learned_turns(conversation)
        images = conversation.images[: sum(map(_count_images, messages))]
        *question, reply = messages
        if truncation is not None and truncation.part == "answer":
            reply = _with_text(reply, message_text(reply)[: truncation.characters])
        if self.data.instruction:
            self._require_one_answer(conversation, learned, "data.instruction is one instruction")
            question = _replace_instruction(conversation.row_id, question, self.data.instruction)
        instruction = None
        if self.text_encoder:
            self._require_one_answer(conversation, learned, "the text encoder gets one instruction")
            question, instruction = _split_off_instruction(question, conversation)
        if not self.images:
            refuse_answer_as_document(conversation)
            text = self._document(conversation)
            if truncation is not None and truncation.part == "document":
                text = text[: truncation.characters]
            question = _replace_images_by_text(question, text)
        return Example(
            row_id=conversation.row_id,
            messages=[*question, reply],
            learned=learned,
            images=images if self.images else [],
            instruction=instruction,
            document=conversation.prompted_document or conversation.document,
            truncation=truncation,
        )

    def truncatable_text(
        self, conversation: Conversation
    ) -> tuple[Literal["document", "answer"], str]:
        """Return the part of a conversation that may be truncated, and its text.

        For a text-only model that is the document. For a model with images it is the last answer,
        whose beginning can be learned without its end. Earlier answers are never truncated: later
        turns would be learned from a conversation that nobody had.
        """
        if self.images:
            messages, _ = self._learned_turns(conversation)
            return "answer", message_text(messages[-1])
        return "document", self._document(conversation)

    def _learned_turns(self, conversation: Conversation) -> tuple[list[Message], list[int]]:
        """Return the turns up to the last answer that is learned, and the positions of answers.

        A learned answer has a single text part.
        """
        row_id = conversation.row_id
        answers = [i for i, m in enumerate(conversation.messages) if m["role"] == "assistant"]
        learned = [i for i in answers if conversation.messages[i].get("learned") is not False]
        if not learned:
            raise RowError(
                row_id,
                "the dataset says of all its answers that they are not learned",
                "Mark at least one answer as learned, or remove the row.",
            )
        if self.data.learn_turns == "last":
            learned = learned[-1:]
        messages: list[Message] = [
            {name: value for name, value in message.items() if name != "learned"}
            for message in conversation.messages[: learned[-1] + 1]
        ]
        for i in learned:
            place = f"answer {answers.index(i) + 1} of {len(answers)}"
            if _count_images(messages[i]):
                raise RowError(
                    row_id,
                    f"{place} has an image, but a model learns to write text only",
                    f"Move the image into a question, mark the answer as not learned, or set "
                    f"{LEARN_TURNS} to last.",
                )
            text = message_text(messages[i])
            if not text.strip():
                raise RowError(
                    row_id,
                    f"{place} is empty, so there is nothing to learn",
                    "Give the turn a text, mark it as not learned, or remove the row.",
                )
            messages[i] = _with_text(messages[i], text)
        return messages, learned

    def _require_one_answer(
        self, conversation: Conversation, learned: Sequence[int], reason: str
    ) -> None:
        if len(learned) > 1:
            raise TrainingError(
                f"{conversation.row_id}: {reason}, but {len(learned)} answers of this row are "
                "learned, each to a question of its own",
                f"Set {LEARN_TURNS} to last: then the instruction takes the place of the last "
                "question, and only its answer is learned.",
                LEARN_TURNS,
            )

    def _document(self, conversation: Conversation) -> str:
        """Return the text that takes the place of the images; empty if the dataset lacks it."""
        prompted = None if self.text_encoder else conversation.prompted_document
        return prompted or conversation.document or ""


def _count_images(message: Message) -> int:
    return sum(part["type"] == "image" for part in message["content"])


def _with_text(message: Message, text: str) -> Message:
    return {**message, "content": [text_part(text)]}


def _last_question(messages: Sequence[Message]) -> int | None:
    """Return the position of the last question, None if nobody asks."""
    return max((i for i, m in enumerate(messages) if m["role"] == "user"), default=None)


def _replace_instruction(
    row_id: str, messages: Sequence[Message], instruction: str
) -> list[Message]:
    """Replace the text of the last question; its images stay."""
    position = _last_question(messages)
    if position is None:
        raise RowError(
            row_id,
            "there is no question that data.instruction could replace",
            "Give the row a turn of the user, or remove the row.",
        )
    question = messages[position]
    images = [part for part in question["content"] if part["type"] == "image"]
    replaced = {**question, "content": [*images, text_part(instruction)]}
    return [*messages[:position], replaced, *messages[position + 1 :]]


def _split_off_instruction(
    messages: Sequence[Message], conversation: Conversation
) -> tuple[list[Message], str]:
    """Return the messages without the text of the last question, and that text."""
    position = _last_question(messages)
    if position is None:
        return [*messages], conversation.instruction or DEFAULT_INSTRUCTION
    question = messages[position]
    parts = [part for part in question["content"] if part["type"] != "text"]
    instruction = message_text(question).strip() or conversation.instruction or DEFAULT_INSTRUCTION
    without_text = {**question, "content": parts}
    return [*messages[:position], without_text, *messages[position + 1 :]], instruction


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
