"""A conversation about images, in TRL's message format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DEFAULT_INSTRUCTION = "Read the document and answer."
"""The question of a row that has none."""

StoredImage = Mapping[str, Any]
"""An image as `datasets.Image(decode=False)` returns it: `bytes` and `path`, one may be None."""

Message = Mapping[str, Any]
"""A turn: `role`, `content` as a list of parts {"type": "image"} and {"type": "text", "text": ...},
and optionally `learned`: whether the dataset wants this answer to be learned."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a row of a dataset says, whatever its layout.

    Attributes:
        row_id: Name of the row in messages: its index and, if known, its document.
        messages: Turns in order; the last is the assistant's. There is one image part per image.
        images: Stored images in the order of their parts.
        document: The text on the images, None if the dataset does not have it.
        prompted_document: The document together with the instruction that is drawn on the images.
        instruction: The instruction of the row, also if the messages do not repeat it.
        boxes: The columns `lines` and `words`, as far as the dataset has them: the texts on each
            image with their boxes.
    """

    row_id: str
    messages: Sequence[Message]
    images: Sequence[StoredImage]
    document: str | None = None
    prompted_document: str | None = None
    instruction: str | None = None
    boxes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """The text of the last turn."""
        return message_text(self.messages[-1])


def text_part(text: str) -> dict[str, str]:
    """Return a text part of a message."""
    return {"type": "text", "text": text}


def image_part() -> dict[str, str]:
    """Return an image part of a message."""
    return {"type": "image"}


def message_text(message: Message) -> str:
    """Return the text of a message, without its images."""
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")
