"""Rows of an `imagefolder`: images, and a metadata.jsonl or .csv that says what is on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.containers.csv_rows import iter_csv
from deepsynth_tui.conversations.containers.json_values import iter_objects
from deepsynth_tui.conversations.errors import DatasetError

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm")
)
FILE_NAME, FILE_NAMES = "file_name", "file_names"


def iter_image_folder(metadata: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, values) for each row; `file_name` becomes `image`, as in `datasets`.

    Raises:
        DatasetError: the file cannot be read, or a row names no file.
    """
    for line, row in _metadata_rows(metadata):
        values: dict[str, Any] = {}
        for name, value in row.items():
            values[_column_name(name)] = value
        if not any(name in row for name in (FILE_NAME, FILE_NAMES)) and len(values) == len(
            values.keys() & row.keys()
        ):
            raise DatasetError(
                f"{metadata}, line {line}: there is no {FILE_NAME!r}; the row has "
                f"{', '.join(row) or 'no keys'}",
                f"Name the image of each row under {FILE_NAME}, relative to this file.",
                "data.path",
            )
        yield line, values


def _column_name(name: str) -> str:
    """Return the column that `datasets` makes of a key: `page_file_name` becomes `page`."""
    for suffix, column in ((FILE_NAMES, "images"), (FILE_NAME, "image")):
        if name == suffix:
            return column
        if name.endswith(f"_{suffix}"):
            return name.removesuffix(f"_{suffix}")
    return name


def _metadata_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix == ".csv":
        yield from iter_csv(path)
    elif path.suffix == ".parquet":
        from pyarrow import parquet

        line = 0
        for batch in parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                line += 1
                yield line, row
    else:
        for line, row, _ in iter_objects(path):
            yield line, row


def no_text_error(folder: Path) -> DatasetError:
    """Return the error for a folder that holds images and nothing to learn about them."""
    classes = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.iterdir())
    )
    if len(classes) > 1:
        return DatasetError(
            f"{folder}: images in the folders {', '.join(classes[:5])}, which are labels of "
            "classes; a folder name is no answer to a question",
            "Write a metadata.jsonl with file_name, question and answer for each image.",
            "data.path",
        )
    return DatasetError(
        f"{folder} holds images, but no text to learn about them",
        "Write a metadata.jsonl with file_name, question and answer for each image.",
        "data.path",
    )
