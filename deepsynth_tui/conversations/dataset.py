"""A dataset of any layout, opened: its rows are conversations, read on access."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from deepsynth_tui.conversations.columns import Columns
from deepsynth_tui.conversations.containers.locate import locate
from deepsynth_tui.conversations.containers.rows import JsonRows, StoredRows
from deepsynth_tui.conversations.conversation import Conversation
from deepsynth_tui.conversations.detect import detect_layout
from deepsynth_tui.conversations.errors import DatasetError, RowError
from deepsynth_tui.conversations.images import ImageFiles
from deepsynth_tui.conversations.layouts.layout import Layout, Row
from deepsynth_tui.conversations.schema import SchemaBuilder

DOCUMENT_COLUMN = "source_hash"  # equal for all rows of one document
SOURCE_COLUMN = "source_id"


@dataclass(frozen=True)
class StoredDataset:
    """One split of one dataset.

    Attributes:
        path: Where it is, as the user wrote it.
        kind: Kind of its container.
        rows: Its rows.
        layout: How a row becomes a conversation.
        images: Where its images are.
        notices: What was chosen or left out on opening the container.
        prefix: Precedes the names of rows, if there are several datasets.
    """

    path: str
    kind: str
    rows: StoredRows
    layout: Layout
    images: ImageFiles
    notices: tuple[str, ...] = ()
    prefix: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def conversation(self, index: int) -> Conversation:
        """Return a row as a conversation. Raises `RowError`."""
        row = self.rows[index]
        name = self.prefix + row_name(index, row.values, row.place)
        return self.layout.conversation(row.values, name, self.images, row.folder)

    def documents(self) -> Sequence[Hashable]:
        """Return the document of each row by the hash of its content, empty if unknown."""
        return self.rows.values(DOCUMENT_COLUMN) if DOCUMENT_COLUMN in self.rows.schema else ()

    def groups(self) -> Sequence[Hashable]:
        """Return a value for each row, equal for rows about the same document or image file."""
        if DOCUMENT_COLUMN in self.rows.schema:
            return self.rows.values(DOCUMENT_COLUMN)
        column = self.layout.columns.images
        if column is None or not isinstance(self.rows, JsonRows):
            return range(len(self))
        return [
            json.dumps(images) if images else index
            for index, images in enumerate(self.rows.values(column))
        ]

    def texts(self) -> Iterator[str]:
        """Yield the text of each row and its document as JSON, in one form for equal rows."""
        if isinstance(self.rows, JsonRows):
            yield from (
                json.dumps(self.rows[index].values, sort_keys=True) for index in range(len(self))
            )
            return
        columns = self.layout.columns
        # Questions and documents of generated datasets follow from these.
        names = {DOCUMENT_COLUMN, columns.answer, columns.messages}
        if columns.messages is None:
            names |= {columns.question, columns.input, columns.completion, columns.history}
        names = sorted(name for name in names if name in self.rows.schema)
        for row in self.rows.table.with_format(None).select_columns(names):
            yield json.dumps(row, sort_keys=True, default=str)

    def description(self) -> Iterator[str]:
        """Yield lines that say how rows are read: layout, columns, what is ignored."""
        layout, *columns = self.layout.describe()
        yield f"{self.path}: {len(self)} rows of {self.kind}, {layout}"
        yield from columns

    def all_notices(self) -> tuple[str, ...]:
        """Return what is converted or left out."""
        return (*self.notices, *self.layout.notices)


@dataclass(frozen=True)
class Conversations:
    """The rows of one or several datasets, one after the other."""

    parts: tuple[StoredDataset, ...]
    ends: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(accumulate(map(len, self.parts))))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> Conversation:
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        part = bisect_right(self.ends, index)
        return self.parts[part].conversation(index - self.start(part))

    def start(self, part: int) -> int:
        """Return the index of the first row of a part."""
        return self.ends[part - 1] if part else 0

    @cached_property
    def has_images(self) -> bool:
        """Whether rows may have images."""
        return any(part.layout.has_images for part in self.parts)

    def describe(self) -> tuple[str, ...]:
        """Return lines that say how the rows of each dataset are read."""
        return tuple(line for part in self.parts for line in part.description())

    def notices(self) -> tuple[str, ...]:
        """Return what is converted or left out, with the dataset if there are several."""
        return tuple(part.prefix + notice for part in self.parts for notice in part.all_notices())


def row_name(index: int, row: Row, place: str = "") -> str:
    """Return a name for a row in messages: its index, and its document or its place in a file."""
    source = row.get(SOURCE_COLUMN)
    if source is not None:
        return f"row {index} (document {source})"
    return f"row {index} ({place})" if place else f"row {index}"


def row_to_conversation(row: Row, index: int = 0, columns: Columns | None = None) -> Conversation:
    """Convert a single row, with the layout that its own columns have.

    Raises:
        DatasetError: a named column does not exist, or none holds an answer.
        RowError: the row cannot be used.
    """
    builder = SchemaBuilder()
    builder.add(row)
    layout = detect_layout(builder.schema(), columns)
    return layout.conversation(row, row_name(index, row), ImageFiles(), None)


def open_dataset(
    path: str,
    *,
    split: str = "train",
    config: str | None = None,
    columns: Columns | None = None,
    image_folder: str | None = None,
    prefix: str = "",
) -> StoredDataset:
    """Open a split of a dataset: a file, a folder, a glob, or an id on the Hub.

    Args:
        path: Where it is.
        split: The split.
        config: A configuration of the dataset, or an entry of LLaMA-Factory's dataset_info.json.
        columns: Columns that the user names; others are guessed.
        image_folder: Folder of relative image paths, by default that of the file with the path.
        prefix: Precedes the names of rows in messages.

    Raises:
        DatasetError: it cannot be read, has no such split or column, or holds no answers.
        ConnectionError: it is on the Hub, which cannot be reached.
    """
    container = locate(path, config)
    rows = container.open(split)
    if len(rows) == 0:
        raise DatasetError(f"{path} has no rows", "Check the path, or generate it.", "data.path")
    layout = detect_layout(rows.schema, columns, container.tags)
    if image_folder is not None and not Path(image_folder).expanduser().is_dir():
        raise DatasetError(
            f"data.image_folder: there is no folder {image_folder}",
            "Give the folder that image paths are relative to.",
            "data.image_folder",
        )
    if not isinstance(rows, JsonRows):
        used = [*layout.columns.names(), DOCUMENT_COLUMN, SOURCE_COLUMN, "video", "videos", "audio"]
        rows = rows.with_columns([name for name in rows.schema if name in used])
    return StoredDataset(
        path=path,
        kind=container.kind,
        rows=rows,
        layout=layout,
        images=ImageFiles(Path(image_folder).expanduser() if image_folder else None),
        notices=container.notices,
        prefix=prefix,
    )


def split_names(path: str, config: str | None = None) -> Sequence[str]:
    """Return the splits of a dataset. Raises `DatasetError`."""
    return locate(path, config).splits()


def read(
    path: str,
    *,
    split: str = "train",
    config: str | None = None,
    columns: Columns | None = None,
    image_folder: str | None = None,
    skip: Callable[[RowError], None] | None = None,
) -> Iterator[Conversation]:
    """Yield the rows of a dataset as conversations; arguments as those of `open_dataset`.

    `skip` gets the errors of rows that cannot be used; without it, the first one is raised.

    Raises:
        DatasetError: as `open_dataset`.
        RowError: a row cannot be used, and there is no `skip`.
    """
    dataset = open_dataset(
        path, split=split, config=config, columns=columns, image_folder=image_folder
    )
    for index in range(len(dataset)):
        try:
            conversation = dataset.conversation(index)
        except RowError as error:
            if skip is None:
                raise
            skip(error)
            continue
        yield conversation
