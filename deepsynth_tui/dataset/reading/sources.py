"""Open a source of any kind as a stream of `Document`s."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from deepsynth_tui.builtin import DOCUMENTS, PREFIX, locate
from deepsynth_tui.config.dataset import SourceSettings
from deepsynth_tui.config.fields import as_text
from deepsynth_tui.config.problems import Notice
from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.choose_instruction import (
    NO_INSTRUCTION_COLUMNS,
    InstructionColumns,
)
from deepsynth_tui.dataset.reading.csv_reader import CsvReader
from deepsynth_tui.dataset.reading.folder_reader import TEXT_EXTRACTORS, FolderReader
from deepsynth_tui.dataset.reading.hub_reader import HubReader
from deepsynth_tui.dataset.reading.json_reader import JsonReader
from deepsynth_tui.dataset.reading.named_columns import (
    choose_text_column,
    find_id_column,
    require_column,
)
from deepsynth_tui.dataset.reading.parquet_reader import ParquetReader
from deepsynth_tui.dataset.reading.questions import NotQuestions, QuestionAnswer, read_questions
from deepsynth_tui.dataset.reading.reader import SourceReader, SourceRow

READERS: dict[str, Callable[[Path], SourceReader]] = {
    ".csv": CsvReader,
    ".tsv": CsvReader,
    ".jsonl": JsonReader,
    ".ndjson": JsonReader,
    ".json": JsonReader,
    ".parquet": ParquetReader,
    **dict.fromkeys(TEXT_EXTRACTORS, FolderReader),
}
# A Hub repository id: owner/name or name.
HUB_ID = re.compile(r"\A[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as read, before cleaning; `text` and `target` may be blank.

    `columns` are the values that its instruction may name. `unreadable` is why it has no text.
    With `questions` (None: the source has no column for them) there is no `target`.
    """

    source_id: str
    text: str
    target: str | None
    columns: Mapping[str, str] = field(default_factory=dict)
    unreadable: str | None = None
    questions: tuple[QuestionAnswer, ...] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source.

    Without a `target_column` the target is the text, unless there is a `question_column`.
    `instruction_columns` are kept in each document for its instruction.
    """

    reader: SourceReader
    text_column: str
    target_column: str | None
    max_samples: int | None
    instruction_columns: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    question_column: str | None = None

    def documents(self) -> Iterator[Document]:
        """Yield the documents in the order of the source, at most `max_samples`.

        Raises `SourceError` and `ColumnError` with the location of the input at fault.
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
            row_id = row.values.get(id_column) if id_column else None
            yield Document(
                source_id=row.location if row_id is None else str(row_id),
                text=_text_value(row, self.text_column, "source.text_column"),
                target=None
                if self.target_column is None or self.question_column is not None
                else _text_value(row, self.target_column, "source.target_column"),
                columns={name: _instruction_value(row, name) for name in self.instruction_columns},
                unreadable=row.unreadable,
                questions=self._questions(row),
            )

    def _questions(self, row: SourceRow) -> tuple[QuestionAnswer, ...] | None:
        if self.question_column is None or row.unreadable is not None:
            return None
        answers = row.values.get(self.target_column) if self.target_column else None
        try:
            return read_questions(row.values.get(self.question_column), answers)
        except NotQuestions as error:
            raise ColumnError(
                f"{row.location}: column {self.question_column!r} {error}",
                "Give each question one answer: a question in source.question_column and its "
                "answer in source.target_column, a list of each, or a list of records {question, "
                "answer}.",
                "source.question_column",
            ) from error

    def count(self) -> int | None:
        """Return the number of documents, None if unknown; may read the whole source."""
        return self.reader.count(self.max_samples)


def open_source(
    settings: SourceSettings, instruction: InstructionColumns = NO_INSTRUCTION_COLUMNS
) -> Source:
    """Open the documents that `settings` describes. Raises `SourceError` and `ColumnError`."""
    return source_from_reader(open_reader(settings), settings, instruction)


def source_from_reader(
    reader: SourceReader,
    settings: SourceSettings,
    instruction: InstructionColumns = NO_INSTRUCTION_COLUMNS,
) -> Source:
    """Return a source that reads documents from `reader`. Raises `ColumnError`."""
    for column in instruction.columns:
        require_column(tuple(reader.kinds), column, instruction.key)
    chosen = choose_text_column(reader.columns, settings.text_column)
    target, question = settings.target_column, settings.question_column
    if question is not None:
        require_column(tuple(reader.kinds), question, "source.question_column")
    if target is not None:
        # Beside questions it may be a list.
        columns = reader.columns if question is None else tuple(reader.kinds)
        require_column(columns, target, "source.target_column")
    notices = []
    if settings.text_column is None and len(reader.columns) > 1:
        notices.append(Notice("source.text_column", f"not set: the column {chosen!r} is drawn"))
    return Source(
        reader,
        chosen,
        target,
        settings.max_samples,
        instruction.columns,
        tuple(notices),
        question,
    )


def is_on_hub(settings: SourceSettings) -> bool:
    """Return whether the source is a Hub dataset and not a local path."""
    return HUB_ID.match(settings.path) is not None and not _is_local(settings.path)


def open_reader(settings: SourceSettings) -> SourceReader:
    """Open the file, folder or dataset `settings.path`. Raises `SourceError` and `ColumnError`."""
    if not settings.path.strip():
        raise SourceError(
            "no documents are configured",
            "Set source.path to a CSV, JSONL or Parquet file, a folder of .txt, .md, .html or "
            f".pdf files, a Hub id, or {' or '.join(DOCUMENTS)}.",
            "source.path",
        )
    if settings.path.startswith(PREFIX) and settings.path not in DOCUMENTS:
        raise SourceError(
            f"{settings.path} holds no documents",
            f"Choose {' or '.join(DOCUMENTS)}.",
            "source.path",
        )
    if is_on_hub(settings):
        return HubReader(
            settings.path,
            config=settings.config,
            split=settings.split,
            streaming=settings.streaming,
        )
    path = Path(locate(settings.path)).expanduser()
    try:
        if path.is_dir():
            return FolderReader(path)
        return _file_reader(path)(path)
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no file or folder {path}", _path_advice(path), "source.path"
        ) from error
    except PermissionError as error:
        raise SourceError(
            f"no permission to read {error.filename or path}",
            "Change its permissions.",
            "source.path",
        ) from error
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}", "Check the path.", "source.path"
        ) from error


def _file_reader(path: Path) -> Callable[[Path], SourceReader]:
    if not path.exists():
        raise FileNotFoundError(path)
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise SourceError(
            f"{path}: file type {suffix or '(none)'} is not supported",
            f"Supported are {', '.join(READERS)}.",
            "source.path",
        )
    return READERS[suffix]


def _is_local(path: str) -> bool:
    """Return whether `path` exists, or has the suffix of a supported file."""
    return Path(path).expanduser().exists() or Path(path).suffix.lower() in READERS


def _path_advice(path: Path) -> str:
    parent = next((p for p in path.absolute().parents if p.is_dir()), Path("/"))
    if parent == path.absolute().parent:
        return f"The folder {parent} exists: check the file name."
    return f"Only {parent} of its path exists."


def _text_value(row: SourceRow, column: str, key: str) -> str:
    value: Any = row.values.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ColumnError(
            f"{row.location}: column {column!r} holds {type(value).__name__}, not text",
            "Choose a text column, or convert it to text first.",
            key,
        )
    return value


def _instruction_value(row: SourceRow, column: str) -> str:
    """Return a text, number or boolean as it appears in an instruction."""
    value: Any = row.values.get(column)
    if value is not None and not isinstance(value, (str, bool, int, float)):
        raise ColumnError(
            f"{row.location}: column {column!r} holds {type(value).__name__}, which "
            "cannot be part of an instruction",
            "Name a column of text or numbers.",
            "instruction",
        )
    return as_text(value)
