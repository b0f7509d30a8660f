"""Read WebDataset archives: tar files whose members with one key, such as 7.txt and 7.json, are a
row."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import ColumnError, SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.column_paths import iter_nested
from deepsynth_tui.dataset.reading.decode_text import decode_text
from deepsynth_tui.dataset.reading.json_objects import DuplicateKey, refuse_duplicates
from deepsynth_tui.dataset.reading.json_reader import JSON_KINDS, OBJECT
from deepsynth_tui.dataset.reading.open_file import DAMAGE, READ_BYTES, open_binary
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow, Unreadable

SAMPLED_ROWS = 100
# As `datasets` calls the column.
KEY = "__key__"
TEXT_MEMBERS = ("txt", "text", "md", "cls", "caption", "transcript")
JSON_MEMBERS = ("json", "jsn")


class WebDatasetReader(SourceReader):
    """Reads the text and JSON members of a tar file; the column is the extension of the member."""

    def __init__(self, path: Path, settings: SourceSettings, name: str = "") -> None:
        """Open a file. Rows are called by `name`, by default that of the file, and key."""
        self.path = path
        self.name = name or path.name
        self.bytes_to_count = path.stat().st_size
        self._encoding = settings.encoding
        kinds: dict[str, str] = {}
        for row in islice(self.rows(()), SAMPLED_ROWS):
            for column, value in row.values.items():
                for nested, item in [(column, value), *iter_nested(column, value)]:
                    kind = (
                        "binary" if isinstance(item, bytes) else JSON_KINDS.get(type(item), OBJECT)
                    )
                    kinds.setdefault(nested, kind)
        self.kinds = kinds | {KEY: "key"}
        self.columns = tuple(name for name, kind in self.kinds.items() if kind == TEXT)
        if not self.columns:
            raise ColumnError(
                f"{path} has no members with text",
                f"Its members: {', '.join(self.kinds) or 'none'}; text is in "
                f"{', '.join((*TEXT_MEMBERS, *JSON_MEMBERS))}.",
                "source.path",
            )
        members = [name for name in kinds if name != KEY and "." not in name]
        self.contents = (f"WebDataset: members {', '.join(members)}",)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield a row for each key. Members that hold no text are not read."""
        for key, members in groupby(self._members(), key=lambda member: _key(member[0])):
            values: dict[str, Any] = {KEY: key}
            unreadable: Unreadable | None = None
            for name, content in members:
                column = _extension(name)
                try:
                    values[column] = self._value(column, content)
                except UnreadableDocument as error:
                    unreadable = Unreadable(error.reason, f"{name}: {error.detail}", error.advice)
            yield SourceRow(f"{self.name}:{key}", values, unreadable)

    def count(self) -> None:
        """Return None: the rows have to be read."""

    def _members(self) -> Iterator[tuple[str, bytes]]:
        """Yield the names of the members, each with its content if that is text."""
        try:
            with open_binary(self.path) as content:
                blocks = _Blocks(content)
                with tarfile.open(fileobj=blocks, mode="r|", bufsize=tarfile.BLOCKSIZE) as archive:
                    for member in archive:
                        if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
                            extension = _extension(member.name).rpartition(".")[2]
                            is_read = extension in (*TEXT_MEMBERS, *JSON_MEMBERS)
                            file = archive.extractfile(member) if is_read else None
                            yield member.name, file.read() if file else b""
                blocks.check_end()
        except (tarfile.TarError, UnreadableDocument, *DAMAGE) as error:
            raise SourceError(
                f"{self.path} cannot be read as a tar file: {error}",
                "The file may be incomplete or damaged: copy it again.",
                "source.path",
            ) from error

    def _value(self, column: str, content: bytes) -> Any:
        extension = column.rpartition(".")[2]
        if extension in TEXT_MEMBERS:
            return decode_text(content, self._encoding)
        if extension not in JSON_MEMBERS:
            return content
        try:
            text = decode_text(content, self._encoding)
            return json.loads(text, object_pairs_hook=refuse_duplicates)
        except DuplicateKey as error:
            unreadable = error.unreadable
            raise UnreadableDocument(unreadable.reason, detail=unreadable.detail) from error
        except json.JSONDecodeError as error:
            raise UnreadableDocument("invalid JSON", detail=error.msg) from error


class _Blocks(io.RawIOBase):
    """A tar file block by block. `tarfile` takes a header that is cut off for the end."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._last = b""

    def read(self, size: int = -1, /) -> bytes:
        self._last = self._file.read(size)
        return self._last

    def check_end(self) -> None:
        """Raise `EOFError` if the last block does not mark the end, or something follows it."""
        if self._last != tarfile.NUL * tarfile.BLOCKSIZE:
            raise EOFError("it ends early")
        while chunk := self._file.read(READ_BYTES):
            if chunk.strip(tarfile.NUL):
                raise EOFError("it holds a second archive after its end")


def _key(name: str) -> str:
    """Return the name up to the first dot of the file name."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.partition(".")[0]))


def _extension(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[2].casefold()
