"""Open a source of any kind as a stream of `Document`s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.config.problems import Notice
from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.choose_instruction import (
    NO_INSTRUCTION_COLUMNS,
    InstructionColumns,
)
from deepsynth_tui.dataset.reading.column_paths import value_at
from deepsynth_tui.dataset.reading.named_columns import (
    choose_text_column,
    find_id_column,
    require_column,
)
from deepsynth_tui.dataset.reading.open_reader import open_reader
from deepsynth_tui.dataset.reading.questions import NotQuestions, QuestionAnswer, read_questions
from deepsynth_tui.dataset.reading.reader import SourceReader, SourceRow, Unreadable

NO_VALUE = "no value in column"
# As in training: leaving out more would make a dataset of something else.
MAX_BAD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Document:
    """A document as read, before cleaning; `text` and `target` may be blank.

    `columns` are the values that its instruction may name. `unreadable` is why it has no text or
    no target. With `questions` (None: the source has no column for them) there is no `target`.
    """

    source_id: str
    text: str
    target: str | None
    columns: Mapping[str, str] = field(default_factory=dict)
    unreadable: Unreadable | None = None
    questions: tuple[QuestionAnswer, ...] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source.

    Without a `target_column` the target is the text, unless there is a `question_column`.
    `instruction_columns` are kept in each document for its instruction. `bad_rows` is
    `flaws.bad_rows`.
    """

    reader: SourceReader
    text_column: str
    target_column: str | None
    max_samples: int | None
    instruction_columns: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    bad_rows: Literal["stop", "skip"] = "skip"
    question_column: str | None = None

    def documents(self) -> Iterator[Document]:
        """Yield the documents in the order of the source, at most `max_samples`.

        Raises `SourceError` with the location of the input at fault.
        """
        id_column = find_id_column(self.reader.columns)
        columns = dict.fromkeys(
            column
            for column in (
                self.text_column,
                self.target_column,
                self.question_column,
                id_column,
                *self.instruction_columns,
            )
            if column
        )
        for row in islice(self.reader.rows(tuple(columns)), self.max_samples):
            document = self._document(row, id_column)
            if document.unreadable is not None and self.bad_rows == "stop":
                raise _bad_row(row.location, document.unreadable)
            yield document

    def count(self) -> int | None:
        """Return the number of documents, None if unknown; may read the whole source.

        Raises `SourceError` as `documents` does, and if most rows that it reads are unreadable:
        then the format is another one, and the few others would be no fair part of the source.
        """
        if self.reader.bytes_to_count:
            return self._count_rows()
        count = self.reader.count()
        return count if count is None or self.max_samples is None else min(count, self.max_samples)

    def _count_rows(self) -> int:
        count, bad = 0, 0
        first: list[Document] = []
        for document in self.documents():
            count += 1
            if document.unreadable and not document.unreadable.reason.startswith(NO_VALUE):
                bad += 1
                first = first or [document]
        if bad > MAX_BAD_SHARE * count:
            raise _too_many_bad_rows(first[0], f"{bad:,} of {count:,}")
        return count

    @property
    def bytes_to_count(self) -> int:
        """Size of the files that `count` reads."""
        return self.reader.bytes_to_count

    @property
    def contents(self) -> tuple[str, ...]:
        """What the source holds and how it is read, in lines for people."""
        return self.reader.contents

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many files, by suffix or type, were found and are not read."""
        return self.reader.left_out

    def _document(self, row: SourceRow, id_column: str | None) -> Document:
        row_id = row.values.get(id_column) if id_column else None
        source_id = row.location if row_id is None else str(row_id)
        if row.unreadable is not None:
            return Document(source_id, "", None, unreadable=row.unreadable)
        text = _text_value(row, self.text_column)
        target = None
        if self.target_column is not None and self.question_column is None:
            target = _text_value(row, self.target_column)
        questions = self._questions(row)
        columns = {name: _instruction_value(row, name) for name in self.instruction_columns}
        for value in (text, target, questions, *columns.values()):
            if isinstance(value, Unreadable):
                return Document(source_id, "", None, unreadable=value)
        return Document(
            source_id=source_id,
            text=str(text),
            target=None if target is None else str(target),
            columns={name: str(value) for name, value in columns.items()},
            questions=None if isinstance(questions, Unreadable) else questions,
        )

    def _questions(self, row: SourceRow) -> tuple[QuestionAnswer, ...] | Unreadable | None:
        if self.question_column is None:
            return None
        answers = value_at(row.values, self.target_column) if self.target_column else None
        try:
            return read_questions(value_at(row.values, self.question_column), answers)
        except NotQuestions as error:
            return Unreadable(
                f"column {self.question_column!r} {error}",
                advice="Give each question one answer: a question in source.question_column and "
                "its answer in source.target_column, a list of each, or a list of records "
                "{question, answer}.",
            )


def open_source(
    settings: SourceSettings,
    instruction: InstructionColumns = NO_INSTRUCTION_COLUMNS,
    bad_rows: Literal["stop", "skip"] = "skip",
) -> Source:
    """Open the documents that `settings` describes. Raises `SourceError` and `ColumnError`."""
    return source_from_reader(open_reader(settings), settings, instruction, bad_rows)


def source_from_reader(
    reader: SourceReader,
    settings: SourceSettings,
    instruction: InstructionColumns = NO_INSTRUCTION_COLUMNS,
    bad_rows: Literal["stop", "skip"] = "skip",
) -> Source:
    """Return a source that reads documents from `reader`. Raises `ColumnError`."""
    for column in instruction.columns:
        require_column(tuple(reader.kinds), column, instruction.key, reader.kinds)
    chosen = text_column_of(reader, settings)
    target, question = settings.target_column, settings.question_column
    if question is not None:
        require_column(tuple(reader.kinds), question, "source.question_column", reader.kinds)
    if target is not None:
        # Beside questions it may be a list.
        columns = reader.columns if question is None else tuple(reader.kinds)
        require_column(columns, target, "source.target_column", reader.kinds)
    notices = [*reader.notices]
    if settings.text_column is None and len(reader.columns) > 1:
        notices.append(Notice("source.text_column", f"text column not set; using {chosen!r}"))
    return Source(
        reader,
        chosen,
        target,
        settings.max_samples,
        instruction.columns,
        tuple(notices),
        bad_rows,
        question,
    )


def text_column_of(reader: SourceReader, settings: SourceSettings) -> str:
    """Return the column that is drawn. Raises `ColumnError`, with what the reader guessed."""
    try:
        return choose_text_column(reader.columns, settings.text_column, reader.kinds)
    except ColumnError as error:
        advice = " ".join([error.advice, *(f"{notice}." for notice in reader.notices)])
        raise ColumnError(error.message, advice, error.key) from error


def _too_many_bad_rows(document: Document, share: str) -> SourceError:
    advice = document.unreadable.advice if document.unreadable else ""
    return SourceError(
        f"{share} rows cannot be read, the first is {document.source_id}: {document.unreadable}",
        f"{advice} At most half of the rows of a source are left out.".strip(),
        "source.path",
    )


def _bad_row(location: str, unreadable: Unreadable) -> SourceError:
    return SourceError(
        f"{location}: {unreadable}; flaws.bad_rows is stop",
        f"{unreadable.advice} Or set flaws.bad_rows to skip, which leaves such documents out and "
        "lists them.".strip(),
        "flaws.bad_rows",
    )


def _text_value(row: SourceRow, column: str) -> str | Unreadable:
    value: Any = value_at(row.values, column)
    if isinstance(value, str):
        return value
    if value is None:
        return Unreadable(f"{NO_VALUE} {column!r}")
    return Unreadable(
        f"column {column!r} holds {type(value).__name__}, not text",
        advice="Choose a text column, or convert it to text first.",
    )


def _instruction_value(row: SourceRow, column: str) -> str | Unreadable:
    """Return a text, number or boolean as it appears in an instruction."""
    value: Any = value_at(row.values, column)
    if value is None or isinstance(value, (str, bool, int, float)):
        return as_text(value)
    return Unreadable(
        f"column {column!r} holds {type(value).__name__}, which cannot be part of an instruction",
        advice="Name a column of text or numbers.",
    )
