"""Turns and images as a conversation: each image at its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from deepsynth_tui.conversations.conversation import Message, image_part, text_part
from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.conversations.turns import Turn

IMAGE_TOKEN = "<image>"


def place_images(
    turns: Sequence[Turn], references: Sequence[Any]
) -> tuple[list[Message], list[Any]]:
    """Return messages with one image part per image, and the references in the order of the parts.

    `references` are those of the image column. `<image>` in the text of a question stands for the
    next of them, as does an image part without a reference of its own. If there is neither, all
    images go before the text of the first question.

    Raises:
        UnusableRow: the numbers of images and of their places differ, or an answer has an image.
    """
    parts = [_split_at_tokens(turn) for turn in _with_tokens_as_text(turns, len(references))]
    places = [part for items in parts for part in items if part["type"] == "image"]
    own = [part["image"] for part in places if "image" in part]
    if not places and references:
        first = next((i for i, turn in enumerate(turns) if turn.role == "user"), None)
        if first is None:
            raise UnusableRow("no turn of the user, so its images have no place")
        parts[first] = [image_part() for _ in references] + parts[first]
    elif len(own) == len(places) and not references:
        references = own
    elif len(references) != len(places) or (own and len(own) != len(places)):
        raise UnusableRow(_wrong_number(turns, len(places), len(references)), _ADVICE)
    for turn, items in zip(turns, parts, strict=True):
        if turn.role == "assistant" and any(part["type"] == "image" for part in items):
            raise UnusableRow(
                "an image in an answer: a model that writes text cannot learn it",
                "Remove the image part, or the row.",
            )
    messages = [
        _message(turn, [image_part() if part["type"] == "image" else part for part in items])
        for turn, items in zip(turns, parts, strict=True)
    ]
    return messages, list(references)


_ADVICE = "Give each conversation one image part, or one <image> in its text, per image."


def _wrong_number(turns: Sequence[Turn], places: int, images: int) -> str:
    if _count_tokens(turns) == places:
        return f"{places} {IMAGE_TOKEN} in its text, but {images} images"
    return f"{places} image parts in its messages, but {images} images"


def _with_tokens_as_text(turns: Sequence[Turn], images: int) -> Sequence[Turn]:
    """Return turns whose parts are text alone as text, if it has one `<image>` per image."""
    if not images or any(
        part["type"] == "image" for turn in turns for part in _listed_parts(turn.content)
    ):
        return turns
    as_text = [
        replace(turn, content="".join(part["text"] for part in turn.content))
        if isinstance(turn.content, list)
        else turn
        for turn in turns
    ]
    return as_text if _count_tokens(as_text) == images else turns


def _listed_parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [] if isinstance(content, str) else content


def _count_tokens(turns: Sequence[Turn]) -> int:
    """Count `<image>` in the text of questions."""
    return sum(
        turn.content.count(IMAGE_TOKEN)
        for turn in turns
        if isinstance(turn.content, str) and turn.role != "assistant"
    )


def _split_at_tokens(turn: Turn) -> list[dict[str, Any]]:
    """Return the parts of a turn; in an answer `<image>` is text like any other."""
    if not isinstance(turn.content, str):
        return list(turn.content)
    if turn.role == "assistant":
        return [text_part(turn.content)]
    return list(_text_and_images(turn.content))


def _text_and_images(text: str) -> Iterator[dict[str, Any]]:
    """Yield the parts of a text, nothing of it changed but the tokens."""
    for i, piece in enumerate(text.split(IMAGE_TOKEN)):
        if i:
            yield image_part()
        if piece:
            yield text_part(piece)


def _message(turn: Turn, parts: list[dict[str, Any]]) -> Message:
    message: dict[str, Any] = {"role": turn.role, "content": parts}
    if turn.learned is not None:
        message["learned"] = turn.learned
    return message
