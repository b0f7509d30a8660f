"""A dataset row as a conversation: what the person asks, with pages, and the answer to learn."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from PIL import Image, UnidentifiedImageError

from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings, ModelSettings

POSITION = "__position__"  # in every row: its place in the dataset, counted from 0
DEFAULT_INSTRUCTION = "Read the document and answer."
TEXT_COLUMNS = ("prompted_text", "text")  # what a model without eyes gets instead of the pages
TEXT_ALONE = ("text",)  # of these, those that do not hold the instruction

Message = dict[str, Any]
"""A turn in the form of TRL: `role`, and `content` as a list of image and text parts."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages up to the question, the answer, and one stored image per image part.

    `instruction` is what a text encoder reads in place of the model, None without one. An answer
    that `is_open` is only the beginning of the right one.
    """

    row_id: str
    question: list[Message]
    answer: str
    images: list[Mapping[str, Any]]
    instruction: str | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """How many characters are left of the document's text, or of the answer. Rows have theirs
    under `KEY`."""

    KEY: ClassVar[str] = "__cut__"

    part: Literal["document", "answer"]
    characters: int


def row_id(row: Mapping[str, Any]) -> str:
    """Name a row as the person finds it: its number in the dataset and its document."""
    source = row.get("source_id")
    return f"row {row[POSITION]}" + (f" (document {source})" if source is not None else "")


def conversation(
    row: Mapping[str, Any], data: DataSettings, *, images: bool, encoded: bool = False
) -> Conversation:
    """Read one row.

    TRL `messages` are used as they are, but that `data.instruction`, where set, replaces the text
    of the last question, and `data.target_column`, where the dataset has it, the answer. Without
    `messages` the question is the pages and an instruction. With `images` false every image is
    left out, and the text that was drawn on the pages stands in for them.

    With `encoded` the text of the last question becomes the `instruction`, and the model gets no
    word of it; earlier turns stay.

    Raises:
        TrainingError: the last message is no answer, the answer is empty, or image parts and
            images differ in number.
    """
    pages = stored_images(row, data.image_column) if images else []
    messages = [_with_parts(message) for message in row.get("messages") or ()]
    target = row.get(data.target_column)
    if not messages:
        instruction = data.instruction or row.get("instruction") or DEFAULT_INSTRUCTION
        messages = [{"role": "user", "content": [_text(instruction)]}]
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
            f"Fill column {data.target_column} or take the row out.",
        )
    if data.instruction:
        messages = _instructed(messages, data.instruction)
    spoken = None
    if encoded:
        messages, spoken = _taken_out(messages, row)
    question = (
        _with_image_parts(messages, len(pages), row)
        if images
        else _read_out(messages, _document(row, encoded=encoded))
    )
    cut: Cut | None = row.get(Cut.KEY)
    is_open = cut is not None and cut.part == "answer"
    answer = str(target)[: cut.characters] if cut is not None and is_open else str(target)
    return Conversation(row_id(row), question, answer, pages, spoken, is_open)


def cuttable(
    row: Mapping[str, Any], data: DataSettings, *, images: bool, encoded: bool
) -> tuple[Literal["document", "answer"], str]:
    """Which text of a row may be shortened, and the text: of a model without eyes the document
    that it reads, else the answer, whose beginning can be learned without its end."""
    if images:
        return "answer", conversation(row, data, images=True).answer
    return "document", _document(row, encoded=encoded)


def stored_images(row: Mapping[str, Any], column: str) -> list[Mapping[str, Any]]:
    """Return the images of a row as `{bytes, path}`, whether the column holds one or a list."""
    stored = row.get(column)
    if stored is None:
        return []
    return [stored] if isinstance(stored, Mapping) else list(stored)


def image_size(stored: Mapping[str, Any], model: ModelSettings) -> tuple[int, int]:
    """Width and height in pixels that the model gets, from the file's header alone."""
    with _opened(stored) as image:
        return bounded(image.size, model)


def page(stored: Mapping[str, Any], model: ModelSettings) -> Image.Image:
    """Decode an image to RGB, resized into `model.min_pixels` .. `model.max_pixels`."""
    with _opened(stored) as image:
        try:
            decoded = image.convert("RGB")
        except (OSError, SyntaxError) as error:  # Pillow raises either for a damaged file
            raise _damaged(stored, str(error)) from error
    size = bounded(decoded.size, model)
    return decoded if size == decoded.size else decoded.resize(size, Image.Resampling.LANCZOS)


def bounded(size: tuple[int, int], model: ModelSettings) -> tuple[int, int]:
    """Return `size` scaled, in its proportions, so that its area lies within the bounds."""
    area = size[0] * size[1]
    wanted = max(area, model.min_pixels or area)
    wanted = min(wanted, model.max_pixels or wanted)
    if wanted == area:
        return size
    scale = math.sqrt(wanted / area)
    # Rounding down keeps a shrunk page within the area, rounding up an enlarged one.
    nearest = math.floor if scale < 1 else math.ceil
    return max(1, nearest(size[0] * scale)), max(1, nearest(size[1] * scale))


def _opened(stored: Mapping[str, Any]) -> Image.Image:
    source = io.BytesIO(stored["bytes"]) if stored.get("bytes") else stored["path"]
    try:
        return Image.open(source)
    except UnidentifiedImageError as error:
        raise _damaged(stored, "unknown format") from error


def _damaged(stored: Mapping[str, Any], reason: str) -> TrainingError:
    return TrainingError(
        f"an image cannot be decoded ({stored.get('path') or 'no file name'}): {reason}",
        "Generate the dataset again, or take the row out.",
    )


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _with_parts(message: Mapping[str, Any]) -> Message:
    """A message with its content as parts, without the nulls that Parquet fills in."""
    content = message["content"]
    if isinstance(content, str):
        parts = [_text(content)]
    else:
        parts = [{k: v for k, v in part.items() if v is not None} for part in content]
    return {"role": message["role"], "content": parts}


def _plain_text(message: Message) -> str:
    return "".join(part.get("text", "") for part in message["content"])


def _instructed(messages: Sequence[Message], instruction: str) -> list[Message]:
    """The same, with the text of the last turn replaced; its images stay."""
    *before, last = messages
    images = [part for part in last["content"] if part["type"] == "image"]
    return [*before, {**last, "content": [*images, _text(instruction)]}]


def _taken_out(messages: Sequence[Message], row: Mapping[str, Any]) -> tuple[list[Message], str]:
    """The messages without the text of the last turn, and that text."""
    *before, last = messages
    left = [part for part in last["content"] if part["type"] != "text"]
    told = _plain_text(last).strip() or row.get("instruction") or DEFAULT_INSTRUCTION
    return [*before, {**last, "content": left}], told


def _with_image_parts(messages: list[Message], pages: int, row: Mapping[str, Any]) -> list[Message]:
    """Make sure there is one image part per page; none at all means before the first question."""
    parts = sum(part["type"] == "image" for message in messages for part in message["content"])
    if parts == pages:
        return messages
    if parts:
        raise TrainingError(
            f"{row_id(row)}: {parts} image parts in its messages, but {pages} images",
            "Give each conversation one image part per image.",
        )
    first = next(i for i, message in enumerate(messages) if message["role"] == "user")
    opened = messages[first]
    seeing = {**opened, "content": [{"type": "image"}] * pages + opened["content"]}
    return [*messages[:first], seeing, *messages[first + 1 :]]


def _document(row: Mapping[str, Any], *, encoded: bool) -> str:
    """The text that stands in for the pages; empty where the dataset does not have it."""
    columns = TEXT_ALONE if encoded else TEXT_COLUMNS
    text = next((str(row[column]) for column in columns if row.get(column)), "")
    cut: Cut | None = row.get(Cut.KEY)
    return text[: cut.characters] if cut is not None and cut.part == "document" else text


def _read_out(messages: list[Message], text: str) -> list[Message]:
    """Replace the first image by the document's text and drop the others."""
    shown = False
    told: list[Message] = []
    for message in messages:
        parts = []
        for part in message["content"]:
            if part["type"] != "image":
                parts.append(part)
            elif not shown:
                shown = True
                parts.append(_text(f"{text}\n\n" if text else ""))
        told.append({**message, "content": parts})
    if text and not shown:
        last = told[-1]
        told[-1] = {**last, "content": [_text(f"{text}\n\n"), *last["content"]]}
    return told
