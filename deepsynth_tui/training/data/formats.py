"""A dataset row as a conversation: the question, with pages, and the answer to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from deepsynth_tui.training.data.pages import StoredImage, row_images
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings

ROW_INDEX = "__index__"  # key in every row: its index in the dataset, from 0
DEFAULT_INSTRUCTION = "Read the document and answer."
TEXT_COLUMNS = ("prompted_text", "text")  # text used in place of pages for a text-only model
TEXT_COLUMNS_WITHOUT_INSTRUCTION = ("text",)

Message = dict[str, Any]
"""A turn in TRL's format: `role`, and `content` as a list of image and text parts."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages up to the question, the answer, and one stored image per image part.

    `instruction` goes to the text encoder instead of the model, None without a text encoder. If
    `answer_truncated`, the end of the answer is missing.
    """

    row_id: str
    question: list[Message]
    answer: str
    images: list[StoredImage]
    instruction: str | None = None
    answer_truncated: bool = False


@dataclass(frozen=True, slots=True)
class Truncation:
    """How many characters of the document or the answer are kept; a row has it at `KEY`."""

    KEY: ClassVar[str] = "__truncation__"

    part: Literal["document", "answer"]
    characters: int


def row_id(row: Mapping[str, Any]) -> str:
    """Return a name for a row in messages: its index in the dataset and its document."""
    source = row.get("source_id")
    return f"row {row[ROW_INDEX]}" + (f" (document {source})" if source is not None else "")


def row_to_conversation(
    row: Mapping[str, Any], data: DataSettings, *, images: bool, text_encoder: bool = False
) -> Conversation:
    """Convert one row.

    TRL `messages` are used as they are, except that `data.instruction` replaces the text of the
    last question if it is set, and `data.target_column` the answer if the dataset has it. Without
    `messages` the question is the pages and an instruction. Without `images` all images are left
    out, and the text that was drawn on the pages takes their place.

    With `text_encoder` the text of the last question becomes the `instruction` and is left out of
    the question; earlier turns stay.

    Raises:
        TrainingError: the last message is not an answer, the answer is empty, or the numbers of
            image parts and images differ.
    """
    pages = row_images(row, data.image_column) if images else []
    messages = [_with_content_parts(message) for message in row.get("messages") or ()]
    target = row.get(data.target_column)
    if not messages:
        instruction = data.instruction or row.get("instruction") or DEFAULT_INSTRUCTION
        messages = [{"role": "user", "content": [_text_part(instruction)]}]
    elif messages[-1]["role"] == "assistant":
        answer = messages.pop()
        target = _plain_text(answer) if target is None else target
    elif target is None:
        raise TrainingError(
            f"{row_id(row)}: the last message is by {messages[-1]['role']}, not by the assistant",
            "Give every conversation an answer to learn.",
        )
    if not target:
        raise TrainingError(
            f"{row_id(row)}: the answer is empty, so there is nothing to learn",
            f"Fill column {data.target_column} or remove the row.",
        )
    if data.instruction:
        messages = _replace_instruction(messages, data.instruction)
    encoder_instruction = None
    if text_encoder:
        messages, encoder_instruction = _split_off_instruction(messages, row)
    question = (
        _with_image_parts(messages, len(pages), row)
        if images
        else _replace_images_by_text(messages, _document_text(row, text_encoder=text_encoder))
    )
    truncation: Truncation | None = row.get(Truncation.KEY)
    answer_text, answer_truncated = str(target), False
    if truncation is not None and truncation.part == "answer":
        answer_text, answer_truncated = answer_text[: truncation.characters], True
    return Conversation(
        row_id(row), question, answer_text, pages, encoder_instruction, answer_truncated
    )


def truncatable_text(
    row: Mapping[str, Any], data: DataSettings, *, images: bool, text_encoder: bool
) -> tuple[Literal["document", "answer"], str]:
    """Return the part of a row that may be truncated, and its text.

    For a text-only model that is the document. For a model with images it is the answer, whose
    beginning can be learned without its end.
    """
    if images:
        return "answer", row_to_conversation(row, data, images=True).answer
    return "document", _document_text(row, text_encoder=text_encoder)


def _text_part(text: str) -> Message:
    return {"type": "text", "text": text}


def _with_content_parts(message: Mapping[str, Any]) -> Message:
    """Return the message with its content as parts, without the nulls that Parquet fills in."""
    content = message["content"]
    if isinstance(content, str):
        parts = [_text_part(content)]
    else:
        parts = [{k: v for k, v in part.items() if v is not None} for part in content]
    return {"role": message["role"], "content": parts}


def _plain_text(message: Message) -> str:
    return "".join(part.get("text", "") for part in message["content"])


def _replace_instruction(messages: Sequence[Message], instruction: str) -> list[Message]:
    """Replace the text of the last turn; its images stay."""
    *before, last = messages
    images = [part for part in last["content"] if part["type"] == "image"]
    return [*before, {**last, "content": [*images, _text_part(instruction)]}]


def _split_off_instruction(
    messages: Sequence[Message], row: Mapping[str, Any]
) -> tuple[list[Message], str]:
    """Return the messages without the text of the last turn, and that text."""
    *before, last = messages
    parts = [part for part in last["content"] if part["type"] != "text"]
    instruction = _plain_text(last).strip() or row.get("instruction") or DEFAULT_INSTRUCTION
    return [*before, {**last, "content": parts}], instruction


def _with_image_parts(messages: list[Message], pages: int, row: Mapping[str, Any]) -> list[Message]:
    """Check that there is one image part per page; insert them if there are none at all."""
    parts = sum(part["type"] == "image" for message in messages for part in message["content"])
    if parts == pages:
        return messages
    if parts:
        raise TrainingError(
            f"{row_id(row)}: {parts} image parts in its messages, but {pages} images",
            "Give each conversation one image part per image.",
        )
    first = next(i for i, message in enumerate(messages) if message["role"] == "user")
    question = messages[first]
    with_images = {**question, "content": [{"type": "image"}] * pages + question["content"]}
    return [*messages[:first], with_images, *messages[first + 1 :]]


def _document_text(row: Mapping[str, Any], *, text_encoder: bool) -> str:
    """Return the text that takes the place of the pages; empty if the dataset lacks it."""
    columns = TEXT_COLUMNS_WITHOUT_INSTRUCTION if text_encoder else TEXT_COLUMNS
    text = next((str(row[column]) for column in columns if row.get(column)), "")
    truncation: Truncation | None = row.get(Truncation.KEY)
    if truncation is not None and truncation.part == "document":
        return text[: truncation.characters]
    return text


def _replace_images_by_text(messages: list[Message], text: str) -> list[Message]:
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
                parts.append(_text_part(f"{text}\n\n" if text else ""))
        replaced.append({**message, "content": parts})
    if text and not inserted:
        last = replaced[-1]
        replaced[-1] = {**last, "content": [_text_part(f"{text}\n\n"), *last["content"]]}
    return replaced
