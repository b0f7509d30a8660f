"""Open what `source.path` names: a file, a folder, a pattern, the Hub, or built-in documents."""

from __future__ import annotations

import glob
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deepsynth_tui.builtin import DOCUMENTS, PREFIX, locate
from deepsynth_tui.config.problems import Notice
from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError
from deepsynth_tui.dataset.reading.extract_text import TEXT_EXTRACTORS
from deepsynth_tui.dataset.reading.folder_reader import FolderReader, read_document
from deepsynth_tui.dataset.reading.hub_reader import HubReader
from deepsynth_tui.dataset.reading.open_file import DECOMPRESSORS, check_regular, content_suffix
from deepsynth_tui.dataset.reading.reader import ABOUT, OF_SPLIT, SourceReader
from deepsynth_tui.dataset.reading.split_files import TRAIN, split_files
from deepsynth_tui.dataset.reading.table_files import TABLE_READERS, TableFiles
from deepsynth_tui.dataset.reading.walk_folder import REPEATED, FolderFiles, walk_folder

# A Hub repository id: owner/name or name.
HUB_ID = re.compile(r"\A[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?\Z", re.ASCII)
# Of `Dataset.save_to_disk` and `DatasetDict.save_to_disk`.
SAVED_STATE = "state.json"
SAVED_SPLITS = "dataset_dict.json"
# What accompanies the tables of a dataset and is no document of it.
ABOUT_A_DATASET = re.compile(
    r"\A(readme|licen[cs]e|changelog|citation|contributing|notice)\b", re.IGNORECASE
)
METADATA_FILES = (
    "dataset_info.json",
    "dataset_infos.json",
    "manifest.json",
    "report.json",
    "flaws.jsonl",
)


def is_on_hub(settings: SourceSettings) -> bool:
    """Return whether the source is a Hub dataset and not a local path."""
    return HUB_ID.match(settings.path) is not None and not _is_local(settings.path)


def open_reader(settings: SourceSettings) -> SourceReader:
    """Open the documents that `settings.path` names. Raises `SourceError` and `ColumnError`."""
    if not settings.path.strip():
        raise SourceError(
            "no documents are configured",
            "Set source.path to a CSV, JSON or Parquet file, a folder of documents, a Hub id, or "
            f"{' or '.join(DOCUMENTS)}.",
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
        return _open_path(path, settings)
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
            f"{path} cannot be read: {error.strerror or error}", "Check the path.", "source.path"
        ) from error


def _open_path(path: Path, settings: SourceSettings) -> SourceReader:
    if path.is_dir():
        return _open_folder(path, settings)
    if glob.has_magic(str(path)) and not path.exists():
        return _open_pattern(path, settings)
    check_regular(path)
    suffix = content_suffix(path)
    if suffix in TEXT_EXTRACTORS:
        reader = read_document(path, settings)
    elif suffix in TABLE_READERS:
        reader = TABLE_READERS[suffix](path, settings, "")
    else:
        supported = ", ".join((*TABLE_READERS, *TEXT_EXTRACTORS))
        raise SourceError(
            f"{path}: file type {suffix or '(none)'} is not supported",
            f"Supported are {supported}, and these with {', '.join(DECOMPRESSORS)}.",
            "source.path",
        )
    if settings.split != TRAIN or settings.config is not None:
        message = "has no effect: the source is a single file"
        key = "source.split" if settings.split != TRAIN else "source.config"
        reader.notices += (Notice(key, message),)
    return reader


def _open_pattern(pattern: Path, settings: SourceSettings) -> SourceReader:
    # Unlike `Path.glob`, it leaves out hidden files, as a shell does.
    matches = sorted(map(Path, glob.glob(str(pattern), recursive=True)))  # noqa: PTH207
    # Up to the first part with a wildcard.
    base = Path(*_parts_before_magic(pattern))
    folder_files = FolderFiles(base)
    for match in matches:
        if match.is_file():
            folder_files.files.append(match)
        elif not match.is_dir():
            folder_files.left_out["FIFO, socket or device"] += 1
        elif "**" not in pattern.parts:
            inner = walk_folder(match)
            folder_files.files += inner.files
            folder_files.left_out += inner.left_out
    repeated = len(folder_files.files)
    folder_files.files = _each_once(folder_files.files)
    folder_files.left_out += Counter({REPEATED: repeated - len(folder_files.files)})
    if not matches:
        raise SourceError(f"no file matches {pattern}", _path_advice(base / "x"), "source.path")
    documents, tables, others = _by_type(folder_files)
    if documents and tables:
        raise SourceError(
            f"{pattern} matches {_counts(documents)} and {_counts(tables)}",
            "Choose a pattern that matches either documents or tables, such as *.parquet.",
            "source.path",
        )
    if tables:
        return _read_tables(tables, base, settings, folder_files.left_out + _suffixes(others))
    if documents:
        return _read_documents(documents, base, settings, folder_files.left_out + _suffixes(others))
    raise SourceError(
        f"{pattern} matches only {_counts(others) or 'folders without files'}",
        f"Supported are {', '.join((*TABLE_READERS, *TEXT_EXTRACTORS))}.",
        "source.path",
    )


def _each_once(files: Sequence[Path]) -> list[Path]:
    """Return the files without links to others of them, sorted."""
    shortest: dict[str, Path] = {}
    for file in sorted(files, key=lambda file: (file.is_symlink(), len(file.parts), file)):
        shortest.setdefault(os.path.realpath(file), file)
    return sorted(shortest.values())


def _parts_before_magic(pattern: Path) -> Sequence[str]:
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return parts[:first]


def _open_folder(folder: Path, settings: SourceSettings) -> SourceReader:
    if (folder / SAVED_SPLITS).is_file():
        return _open_saved_split(folder, settings)
    if (folder / SAVED_STATE).is_file():
        return _read_saved(folder, settings)
    folder_files = walk_folder(folder)
    documents, tables, others = _by_type(folder_files)
    left_out = folder_files.left_out + _suffixes(others)
    if tables and all(ABOUT_A_DATASET.match(file.name) for file in documents):
        chosen, other_splits = split_files(folder, tables, settings.split, settings.config)
        if not chosen:
            raise SourceError(
                f"the dataset card of {folder} names files of the split {settings.split!r} that do "
                "not exist",
                "Download the rest of the dataset (git lfs pull), or name the files by a pattern.",
                "source.path",
            )
        left_out[ABOUT] += len(documents)
        left_out += Counter({f"{OF_SPLIT}{name}": n for name, n in other_splits.items()})
        in_no_split = len(tables) - len(chosen) - sum(other_splits.values())
        left_out += Counter({"of no split": max(in_no_split, 0)})
        return _read_tables(chosen, folder, settings, left_out)
    if documents:
        reader = _read_documents(documents, folder, settings, left_out + _suffixes(tables))
        if tables:
            message = (
                f"the folder holds {_counts(documents)} and {_counts(tables)}: only the documents "
                f"are read; for the tables, name them by a pattern such as "
                f"{folder.name}/*{content_suffix(tables[0])}"
            )
            reader.notices += (Notice("source.path", message),)
        return reader
    raise SourceError(
        f"the folder {folder} holds no {', '.join((*TEXT_EXTRACTORS, *TABLE_READERS))} file",
        f"It holds {', '.join(f'{n} {kind}' for kind, n in sorted(left_out.items()))}."
        if left_out
        else "Choose a folder with documents.",
        "source.path",
    )


def _open_saved_split(folder: Path, settings: SourceSettings) -> SourceReader:
    splits = _saved_json(folder / SAVED_SPLITS).get("splits", [])
    if settings.split not in splits:
        raise SourceError(
            f"{folder} has no split {settings.split!r}",
            f"Set source.split to one of: {', '.join(splits)}.",
            "source.split",
        )
    reader = _read_saved(folder / settings.split, settings)
    others = [split for split in splits if split != settings.split]
    reader.left_out = Counter({f"{OF_SPLIT}{name}": 1 for name in others})
    return reader


def _read_saved(folder: Path, settings: SourceSettings) -> SourceReader:
    entries = _saved_json(folder / SAVED_STATE).get("_data_files", [])
    files = [folder / entry["filename"] for entry in entries]
    if missing := [file.name for file in files if not file.is_file()]:
        raise SourceError(
            f"{folder} lacks {', '.join(missing)}", "Copy the whole folder again.", "source.path"
        )
    reader = TableFiles(files, folder, settings, ".arrow")
    reader.contents = (f"a dataset of save_to_disk, number of rows: {reader.count()}",)
    return reader


def _saved_json(path: Path) -> dict[str, list]:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise SourceError(
            f"{path} is not the JSON file that save_to_disk writes: {error}",
            "Save the dataset again.",
            "source.path",
        ) from error


def _by_type(folder_files: FolderFiles) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the documents, the tables and the other files."""
    documents, tables, others = [], [], []
    for file in folder_files.files:
        suffix = content_suffix(file)
        if suffix in TEXT_EXTRACTORS:
            documents.append(file)
        elif suffix in TABLE_READERS and file.name not in METADATA_FILES:
            tables.append(file)
        else:
            others.append(file)
    return documents, tables, others


def _read_documents(
    files: Sequence[Path], base: Path, settings: SourceSettings, left_out: Counter[str]
) -> SourceReader:
    reader = FolderReader(files, base, settings)
    reader.left_out = left_out
    return reader


def _read_tables(
    files: Sequence[Path], base: Path, settings: SourceSettings, left_out: Counter[str]
) -> SourceReader:
    """Read the tables of the most common type, as `datasets` does."""
    counts = Counter(content_suffix(file) for file in files)
    suffix = max(counts, key=lambda suffix: (counts[suffix], suffix == ".parquet"))
    chosen = [file for file in files if content_suffix(file) == suffix]
    others = [file for file in files if content_suffix(file) != suffix]
    reader = TableFiles(chosen, base, settings, suffix)
    reader.left_out = left_out + _suffixes(others)
    if others:
        message = f"{_counts(files)}: only the {suffix} files are read"
        reader.notices += (Notice("source.path", message),)
    return reader


def _suffixes(files: Sequence[Path]) -> Counter[str]:
    return Counter(
        ABOUT if file.name in METADATA_FILES else file.suffix.lower() or "without suffix"
        for file in files
    )


def _counts(files: Sequence[Path]) -> str:
    return ", ".join(f"{count} {suffix}" for suffix, count in _suffixes(files).most_common())


def _is_local(path: str) -> bool:
    """Return whether `path` exists, or has the suffix of a supported file."""
    has_suffix = content_suffix(Path(path)) in (*TABLE_READERS, *TEXT_EXTRACTORS)
    return has_suffix or Path(path).expanduser().exists()


def _path_advice(path: Path) -> str:
    parent = next((p for p in path.absolute().parents if p.is_dir()), Path("/"))
    if parent == path.absolute().parent:
        return f"The folder {parent} exists: check the file name."
    return f"Only {parent} of its path exists."
