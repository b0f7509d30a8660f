"""What a path is: a file, several, or a folder of a kind that is recognized by its files."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from deepsynth_tui.conversations.containers.container import (
    Container,
    FileContainer,
    LibraryContainer,
    SavedContainer,
    read_arrow,
    read_parquet,
)
from deepsynth_tui.conversations.containers.dataset_info import (
    FILE,
    DatasetEntry,
    is_dataset_info,
    read_entries,
)
from deepsynth_tui.conversations.containers.image_folder import (
    IMAGE_SUFFIXES,
    METADATA_NAMES,
    no_text_error,
)
from deepsynth_tui.conversations.containers.olmocr import paired_files
from deepsynth_tui.conversations.containers.row_files import (
    read_csv_files,
    read_image_folders,
    read_json_files,
    read_olmocr_files,
    read_webdatasets,
)
from deepsynth_tui.conversations.containers.rows import StoredRows
from deepsynth_tui.conversations.containers.splits import (
    card_configs,
    card_files_by_split,
    files_by_split,
    named_files_by_split,
)
from deepsynth_tui.conversations.errors import DatasetError

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")

Reader = Callable[[Sequence[Path]], StoredRows]

# In the order in which a folder with several kinds of files is read.
READERS: Mapping[str, Reader] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".jsonl": read_json_files,
    ".json": read_json_files,
    ".csv": read_csv_files,
    ".tsv": read_csv_files,
    ".tar": read_webdatasets,
}
JSON_SUFFIXES = (".jsonl", ".json")
KINDS = {".jsonl": "JSON Lines", ".json": "JSON", ".tar": "WebDataset"}
# JSON files that describe a folder and hold no rows.
DESCRIPTIONS = frozenset(
    (
        *(FILE, "dataset_infos.json", "dataset_dict.json", "state.json", "report.json"),
        *("config.json", "manifest.json", "package.json"),
    )
)


def locate(path: str, config: str | None = None) -> Container:
    """Return the container at a path, which may be a glob or the id of a dataset on the Hub.

    `config` names an entry of a `dataset_info.json`, or a configuration of a card.

    Raises:
        DatasetError: there is nothing to read at the path.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return _locate_folder(place, config)
    if place.is_file():
        return _locate_file(place, config)
    if glob.has_magic(path):
        return _locate_glob(str(place))
    if HUB_ID.fullmatch(path) is None or place.suffix.lower() in READERS:
        raise DatasetError(
            f"data.path: {path} is not a folder, not a file and not the id of a dataset on the Hub",
            "Give a file, a folder, the id of a run, or a Hub id.",
            "data.path",
        )
    return LibraryContainer(path, config)


def _locate_file(path: Path, config: str | None) -> Container:
    if is_dataset_info(path):
        return _locate_entry(path, config)
    beside = path.parent / FILE
    if _suffix(path) in JSON_SUFFIXES and is_dataset_info(beside):
        for entry in read_entries(beside).values():
            if entry.file.resolve() == path.resolve():
                return _open_entry(entry)
    if path.name in METADATA_NAMES[:2] and any(
        file.suffix.lower() in IMAGE_SUFFIXES for file in path.parent.iterdir()
    ):
        return _locate_folder(path.parent, config)
    return _container([path], named_files_by_split([path], path.parent))


def _locate_glob(pattern: str) -> Container:
    files = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    files = [path for path in files if path.is_file()]
    if not files:
        raise DatasetError(
            f"data.path: no file matches {pattern}", "Check the pattern.", "data.path"
        )
    root = Path(pattern[: min(pattern.find(c) for c in "*?[" if c in pattern)]).parent
    return _container(files, named_files_by_split(files, root))


def _locate_folder(folder: Path, config: str | None) -> Container:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return SavedContainer(folder)
    if is_dataset_info(folder / FILE):
        return _locate_entry(folder / FILE, config)
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    if not files:
        raise DatasetError(f"data.path: {folder} is empty", "Check the path.", "data.path")
    configs = card_configs(folder)
    if configs:
        chosen = _choose_config(folder, configs, config)
        by_split = card_files_by_split(folder, configs[chosen])
        listed = [path for paths in by_split.values() for path in paths]
        if {_suffix(path) for path in listed} == {".parquet"}:
            name = chosen if len(configs) > 1 or config else None
            return LibraryContainer(str(folder), name, folder, "Parquet")
        return _container(listed, by_split)
    if config is not None:
        raise DatasetError(
            f"data.config: {folder} has no configurations and no {FILE}",
            "Leave data.config empty.",
            "data.config",
        )
    metadata = [path for path in files if path.name in METADATA_NAMES]
    if metadata and any(path.suffix.lower() in IMAGE_SUFFIXES for path in files):
        return FileContainer("imagefolder", files_by_split(metadata, folder), read_image_folders)
    data = [path for path in files if _suffix(path) in READERS and path.name not in DESCRIPTIONS]
    if not data:
        return _locate_documents(folder, files)
    suffix = min({_suffix(path) for path in data}, key=list(READERS).index)
    same = JSON_SUFFIXES if suffix in JSON_SUFFIXES else (suffix,)
    chosen_files = [path for path in data if _suffix(path) in same]
    others = {_suffix(path) for path in data if _suffix(path) not in (*same, ".tar")}
    notices = (f"files that are not read: {', '.join(sorted(others))}",) if others else ()
    return _container(chosen_files, files_by_split(chosen_files, folder), notices)


def _locate_documents(folder: Path, files: Sequence[Path]) -> Container:
    pairs = paired_files(folder)
    if pairs:
        single = [
            path
            for path in files
            if path.suffix.lower() == ".pdf" and not path.with_suffix(".md").is_file()
        ]
        notices = (f"{len(single)} PDF files without a .md file are left out",) if single else ()
        return FileContainer(
            "olmOCR", files_by_split(pairs, folder), read_olmocr_files, notices=notices
        )
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in files):
        raise no_text_error(folder)
    suffixes = sorted({path.suffix.lower() or path.name for path in files})
    raise DatasetError(
        f"data.path: {folder} has no files with rows; it has {', '.join(suffixes[:8])}",
        f"Rows are read from {', '.join(READERS)} and pairs of .pdf and .md. To make a dataset of "
        "documents, use `generate`.",
        "data.path",
    )


def _container(
    files: Sequence[Path],
    by_split: Mapping[str, tuple[Path, ...]],
    notices: tuple[str, ...] = (),
) -> Container:
    suffixes = {_suffix(path) for path in files}
    suffix = min(suffixes, key=lambda item: list(READERS).index(item) if item in READERS else 99)
    unknown = suffixes - set(READERS)
    if unknown or (len(suffixes) > 1 and not suffixes <= set(JSON_SUFFIXES)):
        raise DatasetError(
            f"data.path: {files[0]} is not of a known kind"
            if unknown
            else f"data.path: files of several kinds: {', '.join(sorted(suffixes))}",
            f"Give files of one kind: {', '.join(READERS)}.",
            "data.path",
        )
    kind = KINDS.get(suffix, suffix[1:].upper() if suffix != ".parquet" else "Parquet")
    return FileContainer(kind, by_split, READERS[suffix], notices=notices)


def _choose_config(folder: Path, configs: Mapping[str, object], named: str | None) -> str:
    if named in configs:
        return str(named)
    names = ", ".join(configs)
    if named is not None:
        raise DatasetError(
            f"data.config: {folder} has no configuration {named!r}; it has {names}",
            "Set data.config to one of those.",
            "data.config",
        )
    if len(configs) == 1 or "default" in configs:
        return "default" if "default" in configs else next(iter(configs))
    raise DatasetError(
        f"data.config: {folder} has the configurations {names}",
        "Set data.config to one of those.",
        "data.config",
    )


def _locate_entry(path: Path, config: str | None) -> Container:
    entries = read_entries(path)
    if config is None and len(entries) == 1:
        config = next(iter(entries))
    if config not in entries:
        missing = f"{path} has no dataset {config!r}; " if config else f"{path} names several; "
        raise DatasetError(
            f"data.config: {missing}it has {', '.join(entries) or 'none with a file_name'}",
            "Set data.config to one of those.",
            "data.config",
        )
    return _open_entry(entries[config])


def _open_entry(entry: DatasetEntry) -> Container:
    if entry.file.is_dir():
        files = sorted(path for path in entry.file.iterdir() if path.is_file())
    elif entry.file.is_file():
        files = [entry.file]
    else:
        raise DatasetError(
            f"{entry.name}: there is no file {entry.file}, which {FILE} names",
            "Correct file_name, or add the file.",
            "data.path",
        )
    if not all(_suffix(path) in JSON_SUFFIXES for path in files):
        raise DatasetError(
            f"{entry.name}: {entry.file} is not JSON, which is read with a {FILE}",
            "Convert it to JSON Lines, or give its path as data.path.",
            "data.path",
        )
    read = partial(read_json_files, renamed=entry.renamed)
    notices = (f"columns and roles as in {FILE} for {entry.name}",)
    splits = {"train": tuple(files)}
    return FileContainer(f"LLaMA-Factory {entry.name}", splits, read, entry.tags, notices)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix == ".gz" else suffix
