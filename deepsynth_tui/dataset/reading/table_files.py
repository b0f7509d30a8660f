"""Read several files of rows as one source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.reading.arrow_reader import ArrowReader
from deepsynth_tui.dataset.reading.csv_reader import CsvReader
from deepsynth_tui.dataset.reading.json_reader import JsonReader
from deepsynth_tui.dataset.reading.parquet_reader import ParquetReader
from deepsynth_tui.dataset.reading.reader import SourceReader, SourceRow
from deepsynth_tui.dataset.reading.webdataset_reader import WebDatasetReader

TABLE_READERS: Mapping[str, Callable[[Path, SourceSettings, str], SourceReader]] = {
    ".csv": CsvReader,
    ".tsv": CsvReader,
    ".jsonl": JsonReader,
    ".ndjson": JsonReader,
    ".json": JsonReader,
    ".parquet": ParquetReader,
    ".arrow": ArrowReader,
    ".tar": WebDatasetReader,
}
"""File name suffix -> reader of such a file."""
FEW_FILES = 20


class TableFiles(SourceReader):
    """Reads the rows of several files of one type, one after the other."""

    def __init__(
        self,
        files: Sequence[Path],
        base: Path,
        settings: SourceSettings,
        suffix: str,
    ) -> None:
        """Open `files` of the type `suffix`; the names of rows are relative to `base`."""
        self._files = files
        self._base = base
        self._settings = settings
        self._open = TABLE_READERS[suffix]
        first = self._reader(files[0])
        # A column that a later file lacks has no value in its rows.
        readers = [first, *map(self._reader, files[1:FEW_FILES])]
        kinds: dict[str, str] = {}
        for name, kind in (item for reader in readers for item in reader.kinds.items()):
            kinds.setdefault(name, kind)
        self.kinds = kinds
        self.columns = tuple(dict.fromkeys(name for reader in readers for name in reader.columns))
        self.notices = first.notices
        self.contents = first.contents
        if len(files) > 1:
            self.contents = (f"{len(files)} {suffix} files; the first: {first.contents[0]}",)
        if first.count() is None:
            self.bytes_to_count = sum(file.stat().st_size for file in files)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows of all files."""
        for file in self._files:
            yield from self._reader(file).rows(columns)

    def count(self) -> int | None:
        """Return the number of rows if the files state it."""
        if self.bytes_to_count:
            return None
        counts = [self._reader(file).count() for file in self._files]
        counted = [count for count in counts if count is not None]
        return sum(counted) if len(counted) == len(counts) else None

    def _reader(self, file: Path) -> SourceReader:
        return self._open(file, self._settings, file.relative_to(self._base).as_posix())
