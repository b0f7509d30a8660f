"""Read Parquet files with `pyarrow`, which is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError
from deepsynth_tui.dataset.reading.arrow_schema import column_kinds
from deepsynth_tui.dataset.reading.column_paths import longest_prefix
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow

BATCH_ROWS = 256
LFS_POINTER = b"version https://git-lfs"


class ParquetReader(SourceReader):
    """Reads a Parquet file. Only string columns can be the text of a document."""

    def __init__(self, path: Path, settings: SourceSettings, name: str = "") -> None:
        """Open a file. Rows are called by `name`, by default that of the file, and number."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        self.name = name or path.name
        _refuse_pointer(path)
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise _invalid_parquet(path, error) from error
        self.kinds = column_kinds(self._file.schema_arrow, path)
        self.columns = tuple(name for name, kind in self.kinds.items() if kind == TEXT)
        self.contents = (f"Parquet, number of rows: {self.count()}",)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows with the values of `columns` only."""
        import pyarrow as pa

        stored = {longest_prefix(self.kinds, column) for column in columns}
        batches = self._file.iter_batches(BATCH_ROWS, columns=sorted(filter(None, stored)))
        number = 0
        while True:
            try:
                # Converting checks that strings are UTF-8, which reading does not.
                rows = next(batches).to_pylist()
            except StopIteration:
                return
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise _invalid_parquet(self.path, error, after_row=number) from error
            for values in rows:
                number += 1
                yield SourceRow(f"{self.name}:{number}", values)

    def count(self) -> int:
        """Return the number of rows from the file's metadata."""
        return self._file.metadata.num_rows


def _refuse_pointer(path: Path) -> None:
    """Raise `SourceError` for what a clone without Git LFS has in place of a file."""
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise SourceError(
                f"{path} is a Git LFS pointer, not the file itself",
                "Download the file: git lfs pull",
                "source.path",
            )


def _invalid_parquet(path: Path, error: Exception, after_row: int = 0) -> SourceError:
    where = f" after row {after_row}" if after_row else ""
    return SourceError(
        f"{path} cannot be read as Parquet{where}: {(str(error).splitlines() or [''])[0]}",
        "The file may be incomplete or damaged: copy it again.",
        "source.path",
    )
