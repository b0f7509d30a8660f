"""A layout: which columns of a row are read, and how they become a conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.assemble import place_images
from deepsynth_tui.conversations.conversation import Conversation, Message, message_text, text_part
from deepsynth_tui.conversations.errors import RowError, UnusableRow
from deepsynth_tui.conversations.images import ImageFiles, image_references
from deepsynth_tui.conversations.turns import Tags, Turn
from deepsynth_tui.conversations.values import answer_text, to_text

Row = Mapping[str, Any]

DEFAULT_TAGS = Tags()

# Columns of other media: a row that has a value there cannot be used without it.
OTHER_MEDIA = ("video", "videos", "audio", "audios")
GROUNDING_TOKENS = ("<bbox>", "<ref-object>")  # of ms-swift, filled in from the column `objects`


@dataclass(frozen=True, slots=True)
class RowColumns:
    """The columns that are read, None for what the dataset does not have.

    `answer` replaces the last answer of `messages` where both are given. `more_images` is read in
    rows where `images` is empty: of `image` and `images`, rows may have either.
    """

    images: str | None = None
    more_images: str | None = None
    question: str | None = None
    input: str | None = None
    answer: str | None = None
    completion: str | None = None
    messages: str | None = None
    history: str | None = None
    system: str | None = None
    document: str | None = None
    prompted_document: str | None = None
    instruction: str | None = None
    tags: Tags = DEFAULT_TAGS

    def names(self) -> set[str]:
        """Return the names of all columns that are read."""
        values = (getattr(self, name) for name in self.__slots__ if name != "tags")
        return {value for value in values if value is not None}


TurnReader = Callable[[Row, RowColumns], list[Turn]]
"""Returns the turns of a row, without a system prompt in a column. Raises `UnusableRow`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a dataset become conversations.

    Attributes:
        name: Its name, for a sentence.
        columns: The columns that are read.
        read_turns: Returns the turns of a row.
        choices: What each column is used as, and which others it could have been.
        notices: What is converted or left out.
        ignored: Columns that are not read.
        has_images: Whether rows may have images, in a column or in their messages.
    """

    name: str
    columns: RowColumns
    read_turns: TurnReader
    choices: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    has_images: bool = False

    def describe(self) -> Iterator[str]:
        """Yield lines that say how a row is read: layout, columns, what is ignored."""
        yield f"read as {self.name}"
        yield from self.choices
        if self.ignored:
            yield f"columns that are not read: {', '.join(self.ignored)}"

    def text_columns(self, *, documents: bool) -> list[str]:
        """Return the columns whose text a model reads; with `documents` the text on the images."""
        columns = self.columns
        drawn = {columns.document, columns.prompted_document}
        names = columns.names() - {columns.images}
        return sorted(name for name in names if documents or name not in drawn)

    def conversation(
        self, row: Row, row_id: str, images: ImageFiles, beside: Path | None
    ) -> Conversation:
        """Return a row as a conversation; `beside` is the folder of the file that it is in.

        Raises:
            RowError: the row cannot be used.
        """
        try:
            return self._conversation(row, row_id, images, beside)
        except UnusableRow as error:
            raise RowError(row_id, error.reason, error.advice) from error

    def _conversation(
        self, row: Row, row_id: str, images: ImageFiles, beside: Path | None
    ) -> Conversation:
        columns = self.columns
        _refuse_other_media(row)
        turns = _with_system(self.read_turns(row, columns), row.get(columns.system or ""))
        if columns.messages and columns.answer:
            turns = _with_answer(turns, row.get(columns.answer), columns.answer)
        references = image_references(row.get(columns.images or "")) or image_references(
            row.get(columns.more_images or "")
        )
        messages, references = place_images(turns, references)
        _check(messages)
        return Conversation(
            row_id=row_id,
            messages=messages,
            images=[images.find(reference, beside) for reference in references],
            document=_text_or_none(row, columns.document),
            prompted_document=_text_or_none(row, columns.prompted_document),
            instruction=_text_or_none(row, columns.instruction),
        )


def _with_system(turns: list[Turn], system: Any) -> list[Turn]:
    text = to_text(system)
    if not text or (turns and turns[0].role == "system"):
        return turns
    return [Turn("system", text), *turns]


def _with_answer(turns: list[Turn], answer: Any, column: str) -> list[Turn]:
    """Return the turns with the answer of the column in place of the last one."""
    if answer is None:
        return turns
    last = turns[-1] if turns and turns[-1].role == "assistant" else Turn("assistant", "")
    before = turns[:-1] if turns and turns[-1].role == "assistant" else turns
    return [*before, Turn("assistant", [text_part(answer_text(answer, column))], last.learned)]


def _check(messages: Sequence[Message]) -> None:
    """Refuse a conversation without a question, or with an answer that is missing or empty."""
    if not any(message["role"] == "user" for message in messages):
        raise UnusableRow("no turn of the user", "Give every conversation a question.")
    last = messages[-1]["role"]
    if last != "assistant":
        raise UnusableRow(
            f"the last message is by {last}, not by the assistant",
            "Give every conversation an answer to learn.",
        )
    for message in messages:
        text = message_text(message)
        if message["role"] == "assistant" and not text.strip():
            raise UnusableRow(
                "the answer is empty, so there is nothing to learn",
                "Fill in the answer, or remove the row.",
            )
        _refuse_lone_surrogates(text)
        if any(token in text for token in GROUNDING_TOKENS):
            raise UnusableRow(
                f"a placeholder such as {GROUNDING_TOKENS[0]}, which ms-swift replaces by the "
                "coordinates in `objects`",
                "Write the coordinates into the text, in the form the model expects.",
            )


def _refuse_lone_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnusableRow(
            f"half of a surrogate pair (U+{ord(text[error.start]):04X}) in its text",
            "Repair the text, or remove the row.",
        ) from error


def _refuse_other_media(row: Row) -> None:
    for column in OTHER_MEDIA:
        if row.get(column):
            raise UnusableRow(
                f"a value in column {column!r}: only images are read",
                "Remove the rows with video or audio.",
            )


def _text_or_none(row: Row, column: str | None) -> str | None:
    value = row.get(column) if column else None
    return value if isinstance(value, str) else None
