"""Conversations about images, and what makes one unfit for a format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from deepsynth_tui.image_format import image_suffix

Message = Mapping[str, Any]
"""`role`, and `content` as a list of parts: `{type: image}` or `{type: text, text: ...}`."""

IMAGE_PLACEHOLDER = "<image>"
"""Stands for an image in the text of LLaMA-Factory, ms-swift and Qwen."""


class DoesNotFit(Exception):
    """A format cannot hold a conversation; the text says why, for any number of rows."""


class Turn(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row: messages with one image part for each image.

    `images` are mappings with the `bytes` of a file or, if that is None, its `path`. `boxes` are
    further columns, such as `lines` and `words` with their boxes on each image.
    """

    row_id: str
    messages: Sequence[Message]
    images: Sequence[Mapping[str, Any]]
    boxes: Mapping[str, Any] = field(default_factory=dict)

    def read_images(self) -> list[tuple[bytes, str]]:
        """Return the bytes and the suffix, such as ".png", of each image file.

        Raises:
            DoesNotFit: a file cannot be read, or is none of the usual image files.
        """
        parts = sum(part["type"] == "image" for m in self.messages for part in m["content"])
        if parts != len(self.images):
            raise DoesNotFit("the numbers of image parts and of images differ")
        return [_read(image) for image in self.images]

    def system_and_turns(self) -> tuple[str, list[Turn]]:
        """Return the system prompt, or "", and the texts of the turns.

        Raises:
            DoesNotFit: questions and answers do not alternate.
        """
        messages = list(self.messages)
        system = text_of(messages.pop(0)) if messages and _role(messages[0]) == "system" else ""
        pairs = list(zip(messages[::2], messages[1::2], strict=False))
        if not pairs or len(messages) % 2:
            raise DoesNotFit("the conversation does not end with an answer to a question")
        if any((_role(first), _role(second)) != ("user", "assistant") for first, second in pairs):
            raise DoesNotFit("questions and answers do not alternate")
        return system, [Turn(text_of(question), text_of(answer)) for question, answer in pairs]

    def only_turn(self) -> tuple[str, Turn]:
        """Return the system prompt, or "", and the one turn there is.

        Raises:
            DoesNotFit: there are several.
        """
        system, turns = self.system_and_turns()
        if len(turns) > 1:
            raise DoesNotFit("the conversation has several questions")
        return system, turns[0]


def text_of(message: Message) -> str:
    """Return the text of a message without its images."""
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


def text_with_placeholders(message: Message) -> str:
    """Return the text of a message with `IMAGE_PLACEHOLDER` in the place of each image.

    Raises:
        DoesNotFit: the text itself contains one.
    """
    if IMAGE_PLACEHOLDER in text_of(message):
        raise DoesNotFit(f"the text contains {IMAGE_PLACEHOLDER}, which would stand for an image")
    return "".join(
        part["text"] if part["type"] == "text" else IMAGE_PLACEHOLDER for part in message["content"]
    )


def _role(message: Message) -> str:
    return message["role"]


def _read(image: Mapping[str, Any]) -> tuple[bytes, str]:
    data = image.get("bytes")
    if data is None:
        path = Path(image.get("path") or "")
        if not path.is_file():
            raise DoesNotFit("an image file does not exist")
        data = path.read_bytes()
    suffix = image_suffix(data)
    if not suffix:
        raise DoesNotFit("an image is no PNG, JPEG, WebP, GIF, BMP or TIFF file")
    return data, suffix
