"""Read Arrow files: one alone, or those of a folder that `Dataset.save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError
from deepsynth_tui.dataset.reading.arrow_schema import column_kinds
from deepsynth_tui.dataset.reading.column_paths import longest_prefix
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow

BATCH_ROWS = 256


class ArrowReader(SourceReader):
    """Reads an Arrow file in the stream format, as `datasets` writes it, or the file format."""

    def __init__(self, path: Path, settings: SourceSettings, name: str = "") -> None:
        """Open a file. Rows are called by `name`, by default that of the file, and number."""
        self.path = path
        self.name = name or path.name
        schema, _ = self._open()
        self.kinds = column_kinds(schema, path)
        self.columns = tuple(name for name, kind in self.kinds.items() if kind == TEXT)
        self.contents = (f"Arrow, number of rows: {self.count()}",)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows with the values of `columns` only."""
        schema, batches = self._open()
        stored = {longest_prefix(schema.names, column) for column in columns}
        number = 0
        for batch in batches:
            selected = batch.select(sorted(filter(None, stored)))
            for start in range(0, batch.num_rows, BATCH_ROWS):
                for values in selected.slice(start, BATCH_ROWS).to_pylist():
                    number += 1
                    yield SourceRow(f"{self.name}:{number}", values)

    def count(self) -> int:
        """Return the number of rows; the file is mapped, and only its metadata is read."""
        return sum(batch.num_rows for batch in self._open()[1])

    def _open(self) -> tuple[Any, Iterator[Any]]:
        """Return the schema and the record batches."""
        import pyarrow as pa

        source = pa.memory_map(str(self.path))
        try:
            if source.read(6) == b"ARROW1":
                file = pa.ipc.open_file(source)
                numbers = range(file.num_record_batches)
                return file.schema, self._checked(file.get_batch(number) for number in numbers)
            source.seek(0)
            stream = pa.ipc.open_stream(source)
        except pa.ArrowException as error:
            raise self._invalid(error) from error
        return stream.schema, self._checked(iter(stream))

    def _checked(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        try:
            yield from batches
        except (pa.ArrowException, OSError) as error:
            raise self._invalid(error) from error

    def _invalid(self, error: Exception) -> SourceError:
        return SourceError(
            f"{self.path} cannot be read as Arrow: {(str(error).splitlines() or [''])[0]}",
            "The file may be incomplete or damaged: copy it again.",
            "source.path",
        )
