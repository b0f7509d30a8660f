"""Read Parquet files with `pyarrow`, which is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.reader import TEXT, SourceRow, at_most

BATCH_ROWS = 256


class ParquetReader:
    """Reads a Parquet file. Only string columns can be the text of a document."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise _invalid_parquet(path, error) from error
        schema = self._file.schema_arrow
        self.columns: tuple[str, ...] = tuple(
            field.name for field in schema if _is_string(field.type)
        )
        self.kinds: Mapping[str, str] = {
            field.name: TEXT if _is_string(field.type) else str(field.type) for field in schema
        }
        if not self.columns:
            raise ColumnError(
                f"{path} has no text column",
                f"Its columns: {', '.join(f'{field.name} ({field.type})' for field in schema)}.",
                "source.path",
            )

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows with the values of `columns` only."""
        import pyarrow as pa

        batches = self._file.iter_batches(BATCH_ROWS, columns=list(columns))
        number = 0
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (pa.ArrowInvalid, OSError) as error:
                raise _invalid_parquet(self.path, error, after_row=number) from error
            for values in batch.to_pylist():
                number += 1
                yield SourceRow(f"{self.path.name}:{number}", values)

    def count(self, limit: int | None) -> int:
        """Return the number of rows from the file's metadata, at most `limit`."""
        return at_most(limit, self._file.metadata.num_rows)


def _is_string(arrow_type: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    return (
        types.is_string(arrow_type)
        or types.is_large_string(arrow_type)
        or types.is_string_view(arrow_type)
    )


def _invalid_parquet(path: Path, error: Exception, after_row: int = 0) -> SourceError:
    where = f" after row {after_row}" if after_row else ""
    return SourceError(
        f"{path} cannot be read as Parquet{where}: {str(error).splitlines()[0]}",
        "The file may be incomplete or damaged: copy it again.",
        "source.path",
    )
