"""Where documents come from: one stream of `Document`s, whatever the source."""

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
from deepsynth_tui.dataset.reading.folder_reader import TEXT_OF, FolderReader
from deepsynth_tui.dataset.reading.hub_reader import HubReader
from deepsynth_tui.dataset.reading.named_columns import (
    choose_text_column,
    find_id_column,
    require_column,
)
from deepsynth_tui.dataset.reading.reader import (
    CsvReader,
    JsonReader,
    ParquetReader,
    SourceReader,
    SourceRow,
)

READERS: dict[str, Callable[[Path], SourceReader]] = {
    ".csv": CsvReader,
    ".tsv": CsvReader,
    ".jsonl": JsonReader,
    ".ndjson": JsonReader,
    ".json": JsonReader,
    ".parquet": ParquetReader,
    **dict.fromkeys(TEXT_OF, FolderReader),
}
# owner/name or name, as the Hub allows them.
HUB_ID = re.compile(r"\A[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its source has it. `text` and `target` may be blank, or hold anything.

    `columns` are the values that its instruction can name; `unreadable` is why it has no text.
    """

    source_id: str
    text: str
    target: str | None
    columns: Mapping[str, str] = field(default_factory=dict)
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source. `target_column` None: the text is its own target. `instruction_columns`
    are those whose values go along with each document."""

    reader: SourceReader
    text_column: str
    target_column: str | None
    max_samples: int | None
    instruction_columns: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()

    def documents(self) -> Iterator[Document]:
        """Yield the documents in the order of the source, at most `max_samples`.

        Raises `SourceError` and `ColumnError` naming the place of what cannot be read.
        """
        identity = find_id_column(self.reader.columns)
        wanted = dict.fromkeys(
            column
            for column in (
                self.text_column,
                self.target_column,
                identity,
                *self.instruction_columns,
            )
            if column
        )
        for record in islice(self.reader.records(tuple(wanted)), self.max_samples):
            own_id = record.values.get(identity) if identity else None
            yield Document(
                source_id=record.place if own_id is None else str(own_id),
                text=_text(record, self.text_column, "source.text_column"),
                target=None
                if self.target_column is None
                else _text(record, self.target_column, "source.target_column"),
                columns={name: _plain(record, name) for name in self.instruction_columns},
                unreadable=record.unreadable,
            )

    def count(self) -> int | None:
        """Return how many documents there are, None if unknown; may read the source through."""
        return self.reader.count(self.max_samples)


def open_source(
    settings: SourceSettings, named: InstructionColumns = NO_INSTRUCTION_COLUMNS
) -> Source:
    """Open the documents that `settings` describes. Raises `SourceError` and `ColumnError`."""
    return source_from_reader(open_reader(settings), settings, named)


def source_from_reader(
    reader: SourceReader,
    settings: SourceSettings,
    named: InstructionColumns = NO_INSTRUCTION_COLUMNS,
) -> Source:
    """Return `reader` as a source of documents. Raises `ColumnError`."""
    for column in named.columns:
        require_column(tuple(reader.kinds), column, named.key)
    chosen = choose_text_column(reader.columns, settings.text_column)
    target = settings.target_column
    if target is not None:
        require_column(reader.columns, target, "source.target_column")
    notices = []
    if settings.text_column is None and len(reader.columns) > 1:
        notices.append(Notice("source.text_column", f"not set: the column {chosen!r} is drawn"))
    return Source(reader, chosen, target, settings.max_samples, named.columns, tuple(notices))


def is_on_hub(settings: SourceSettings) -> bool:
    """Return whether opening the source asks the Hub."""
    return HUB_ID.match(settings.path) is not None and not _is_local(settings.path)


def open_reader(settings: SourceSettings) -> SourceReader:
    """Open the place that `settings.path` names. Raises `SourceError` and `ColumnError`."""
    if not settings.path.strip():
        raise SourceError(
            "no documents are chosen",
            "Give a CSV, JSONL or Parquet file, a folder of .txt, .md, .html or .pdf, a Hub id, "
            f"or {' or '.join(DOCUMENTS)}.",
            "source.path",
        )
    if settings.path.startswith(PREFIX) and settings.path not in DOCUMENTS:
        raise SourceError(
            f"{settings.path} holds no documents",
            f"There are {' and '.join(DOCUMENTS)}.",
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
            f"there is no file or folder {path}", _nearest_parent(path), "source.path"
        ) from error
    except PermissionError as error:
        raise SourceError(
            f"{error.filename or path} may not be read", "Change its rights.", "source.path"
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
            f"{path}: files ending in {suffix or 'nothing'} are not understood",
            f"Known are {', '.join(READERS)}.",
            "source.path",
        )
    return READERS[suffix]


def _is_local(path: str) -> bool:
    """Return whether `path` is there, or ends as only a file here would."""
    return Path(path).expanduser().exists() or Path(path).suffix.lower() in READERS


def _nearest_parent(path: Path) -> str:
    parent = next((p for p in path.absolute().parents if p.is_dir()), Path("/"))
    if parent == path.absolute().parent:
        return f"The folder {parent} is there: check the name."
    return f"Of its path only {parent} exists."


def _text(record: SourceRow, column: str, key: str) -> str:
    value: Any = record.values.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ColumnError(
            f"{record.place}: column {column!r} holds {type(value).__name__}, not text",
            "Choose a column of text, or convert it to text first.",
            key,
        )
    return value


def _plain(record: SourceRow, column: str) -> str:
    """Return a value as it may stand in an instruction: text, a number, true or false."""
    value: Any = record.values.get(column)
    if value is not None and not isinstance(value, (str, bool, int, float)):
        raise ColumnError(
            f"{record.place}: column {column!r} holds {type(value).__name__}, which the "
            "instruction cannot say",
            "Name a column of text or numbers.",
            "instruction",
        )
    return as_text(value)
