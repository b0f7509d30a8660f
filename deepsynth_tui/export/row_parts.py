"""What formats take from a conversation: its image files, system prompt and turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from deepsynth_tui.conversations.conversation import Conversation, Message, message_text
from deepsynth_tui.image_format import image_suffix

IMAGE_PLACEHOLDER = "<image>"
"""Stands for an image in the text of LLaMA-Factory, ms-swift and Qwen."""


class DoesNotFit(Exception):
    """A format cannot hold a conversation; the text says why, for any number of rows."""


class Turn(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def read_images(conversation: Conversation) -> list[tuple[bytes, str]]:
    """Return the bytes and the suffix, such as ".png", of each image file.

    Raises:
        DoesNotFit: a file cannot be read, or is none of the usual image files.
    """
    parts = sum(
        part["type"] == "image" for message in conversation.messages for part in message["content"]
    )
    if parts != len(conversation.images):
        raise DoesNotFit("the numbers of image parts and of images differ")
    return [_read(image) for image in conversation.images]


def system_and_turns(conversation: Conversation) -> tuple[str, list[Turn]]:
    """Return the system prompt, or "", and the texts of the turns.

    Raises:
        DoesNotFit: questions and answers do not alternate.
    """
    messages = list(conversation.messages)
    has_system = bool(messages) and messages[0]["role"] == "system"
    system = message_text(messages.pop(0)) if has_system else ""
    pairs = list(zip(messages[::2], messages[1::2], strict=False))
    if not pairs or len(messages) % 2:
        raise DoesNotFit("the conversation does not end with an answer to a question")
    if any((first["role"], second["role"]) != ("user", "assistant") for first, second in pairs):
        raise DoesNotFit("questions and answers do not alternate")
    return system, [
        Turn(message_text(question), message_text(answer)) for question, answer in pairs
    ]


def only_turn(conversation: Conversation) -> tuple[str, Turn]:
    """Return the system prompt, or "", and the one turn there is.

    Raises:
        DoesNotFit: there are several.
    """
    system, turns = system_and_turns(conversation)
    if len(turns) > 1:
        raise DoesNotFit("the conversation has several questions")
    return system, turns[0]


def text_with_placeholders(message: Message) -> str:
    """Return the text of a message with `IMAGE_PLACEHOLDER` in the place of each image.

    Raises:
        DoesNotFit: the text itself contains one.
    """
    if IMAGE_PLACEHOLDER in message_text(message):
        raise DoesNotFit(f"the text contains {IMAGE_PLACEHOLDER}, which would stand for an image")
    return "".join(
        part["text"] if part["type"] == "text" else IMAGE_PLACEHOLDER for part in message["content"]
    )


def is_unlearned(message: Message) -> bool:
    """Return whether the dataset says that an answer is not to be learned."""
    return message.get("learned") is False


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
