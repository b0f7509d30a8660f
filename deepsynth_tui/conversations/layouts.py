"""A dataset row as a conversation, by the columns that the dataset has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.conversations.conversation import (
    Conversation,
    Message,
    StoredImage,
    message_text,
    text_part,
)
from deepsynth_tui.conversations.errors import RowError

DEFAULT_INSTRUCTION = "Read the document and answer."


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that hold images and answers."""

    images: str = "images"
    target: str = "target"


def row_name(index: int, row: Mapping[str, Any]) -> str:
    """Return a name for a row in messages: its index in the dataset and its document."""
    source = row.get("source_id")
    return f"row {index}" + (f" (document {source})" if source is not None else "")


def row_to_conversation(row: Mapping[str, Any], index: int, columns: Columns) -> Conversation:
    """Convert one row.

    TRL `messages` are used as they are, except that the target column, if the dataset has it,
    replaces the answer. Without `messages` the question is the images and the row's instruction.

    Raises:
        RowError: the last message is not an answer, the answer is empty, or the numbers of image
            parts and images differ.
    """
    name = row_name(index, row)
    images = row_images(row, columns.images)
    messages = [_with_content_parts(message) for message in row.get("messages") or ()]
    target = row.get(columns.target)
    if not messages:
        instruction = row.get("instruction") or DEFAULT_INSTRUCTION
        messages = [{"role": "user", "content": [text_part(instruction)]}]
    elif messages[-1]["role"] == "assistant":
        answer = messages.pop()
        target = message_text(answer) if target is None else target
    elif target is None:
        raise RowError(
            name,
            f"the last message is by {messages[-1]['role']}, not by the assistant",
            "Give every conversation an answer to learn.",
        )
    if not target:
        raise RowError(
            name,
            "the answer is empty, so there is nothing to learn",
            f"Fill column {columns.target} or remove the row.",
        )
    messages = _with_image_parts(name, messages, len(images))
    reply = {"role": "assistant", "content": [text_part(str(target))]}
    return Conversation(
        row_id=name,
        messages=[*messages, reply],
        images=images,
        document=row.get("text"),
        prompted_document=row.get("prompted_text"),
        instruction=row.get("instruction"),
    )


def row_images(row: Mapping[str, Any], column: str) -> list[StoredImage]:
    """Return the stored images of a row, whether the column holds one image or a list."""
    stored = row.get(column)
    if stored is None:
        return []
    return [stored] if isinstance(stored, Mapping) else list(stored)


def _with_content_parts(message: Mapping[str, Any]) -> Message:
    """Return the message with its content as parts, without the nulls that Parquet fills in."""
    content = message["content"]
    if isinstance(content, str):
        parts = [text_part(content)]
    else:
        parts = [{k: v for k, v in part.items() if v is not None} for part in content]
    return {"role": message["role"], "content": parts}


def _with_image_parts(row_id: str, messages: Sequence[Message], images: int) -> Sequence[Message]:
    """Check that there is one image part per image; insert them if there are none at all."""
    parts = sum(part["type"] == "image" for message in messages for part in message["content"])
    if parts == images:
        return messages
    if parts:
        raise RowError(
            row_id,
            f"{parts} image parts in its messages, but {images} images",
            "Give each conversation one image part per image.",
        )
    first = next(i for i, message in enumerate(messages) if message["role"] == "user")
    question = messages[first]
    with_images = {**question, "content": [{"type": "image"}] * images + question["content"]}
    return [*messages[:first], with_images, *messages[first + 1 :]]
