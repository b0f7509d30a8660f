"""Files of one kind as rows in the cache: JSON, CSV, WebDataset, `imagefolder` and olmOCR."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.containers.csv_rows import iter_csv
from deepsynth_tui.conversations.containers.image_folder import iter_image_folder
from deepsynth_tui.conversations.containers.json_values import iter_objects
from deepsynth_tui.conversations.containers.olmocr import iter_olmocr
from deepsynth_tui.conversations.containers.row_cache import FileRow, cached_rows
from deepsynth_tui.conversations.containers.rows import StoredRows
from deepsynth_tui.conversations.containers.webdataset import iter_webdataset


def read_json_files(files: Sequence[Path], renamed: Mapping[str, str] | None = None) -> StoredRows:
    """Open JSON files; `renamed` has the usual name of a column by its name in them."""

    def rows() -> Iterator[FileRow]:
        for path in files:
            folder = str(path.parent)
            for line, values, text in iter_objects(path):
                place = f"{path.name}:{line}"
                if renamed:
                    yield FileRow(place, folder, _rename(values, renamed))
                else:
                    yield FileRow(place, folder, values, text)

    return cached_rows(files, f"json {json.dumps(renamed)}", rows())


def read_csv_files(files: Sequence[Path]) -> StoredRows:
    """Open CSV or TSV files."""
    rows = (
        FileRow(f"{path.name}:{line}", str(path.parent), values)
        for path in files
        for line, values in iter_csv(path)
    )
    return cached_rows(files, "csv", rows)


def read_webdatasets(files: Sequence[Path]) -> StoredRows:
    """Open WebDataset archives."""
    rows = (
        FileRow(f"{path.name}:{key}", str(path.parent), values)
        for path in files
        for key, values in iter_webdataset(path)
    )
    return cached_rows(files, "webdataset", rows)


def read_image_folders(files: Sequence[Path]) -> StoredRows:
    """Open the metadata files of an `imagefolder`."""
    rows = (
        FileRow(f"{path.name}:{line}", str(path.parent), values)
        for path in files
        for line, values in iter_image_folder(path)
    )
    return cached_rows(files, "imagefolder", rows)


def read_olmocr_files(files: Sequence[Path]) -> StoredRows:
    """Open PDF files with a Markdown file beside each."""
    rows = (FileRow(path.name, str(path.parent), values) for path, values in iter_olmocr(files))
    return cached_rows([*files, *(path.with_suffix(".md") for path in files)], "olmocr", rows)


def _rename(values: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    taken = {usual for name, usual in renamed.items() if name in values}
    kept = {name: value for name, value in values.items() if name not in taken | renamed.keys()}
    return {**kept, **{renamed[name]: values[name] for name in renamed if name in values}}
