"""Find the files of one split in a folder, by its dataset card or by the names of its files.

The rules are those of `datasets` ("Structure your repository" in its documentation), so that a
clone of a Hub repository has the splits and configurations that the Hub shows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import yaml

from deepsynth_tui.dataset.errors import SourceError

CARD = "README.md"
DEFAULT_CONFIG = "default"
TRAIN = "train"
SPLIT_BY_WORD = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "dev", "val"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
SHARD_NAME = re.compile(r"\A(\w+(?:[.-]\w+)*)-\d{5,}-of-\d{5,}[.\w-]*\Z")
WORD_BOUNDARY = re.compile(r"[-._ 0-9]+")
FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)


def split_files(
    folder: Path, files: Sequence[Path], split: str, config: str | None
) -> tuple[list[Path], dict[str, int]]:
    """Return the files of a split, and how many files each other split has.

    Raises:
        SourceError: there is no such split or configuration.
    """
    by_split = _by_card(folder, files, config)
    if by_split is None:
        if config is not None:
            raise SourceError(
                f"{folder} has no dataset card ({CARD}) that declares configurations",
                "Remove source.config, or choose the folder of the configuration.",
                "source.config",
            )
        by_split = _by_name(folder, files)
    name = split if split in by_split else SPLIT_BY_WORD.get(split, split)
    if name not in by_split:
        raise SourceError(
            f"{folder} has no split {split!r}",
            f"Set source.split to one of: {', '.join(by_split)}.",
            "source.split",
        )
    return by_split[name], {other: len(by_split[other]) for other in by_split if other != name}


def _by_name(folder: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """Group files by the split in the names of shards, else of folders, else of files."""
    for split_of in (_split_of_shard, _split_of_folders, _split_of_name):
        by_split: defaultdict[str, list[Path]] = defaultdict(list)
        for file in files:
            if split := split_of(file.relative_to(folder)):
                by_split[split].append(file)
        if by_split:
            return by_split
    return {TRAIN: list(files)}


def _split_of_shard(path: PurePath) -> str | None:
    match = SHARD_NAME.match(path.name)
    return match.group(1) if match else None


def _split_of_folders(path: PurePath) -> str | None:
    return next(filter(None, map(_split_in_words, path.parent.parts)), None)


def _split_of_name(path: PurePath) -> str | None:
    return _split_in_words(path.name)


def _split_in_words(name: str) -> str | None:
    words = WORD_BOUNDARY.split(name.casefold())
    return next((SPLIT_BY_WORD[word] for word in words if word in SPLIT_BY_WORD), None)


def _by_card(
    folder: Path, files: Sequence[Path], config: str | None
) -> dict[str, list[Path]] | None:
    """Return the files by split as the dataset card declares them, None if it does not."""
    configs = {
        str(entry.get("config_name", DEFAULT_CONFIG)): entry for entry in _declared_configs(folder)
    }
    if not configs:
        return None
    name = config or next(
        (name for name, entry in configs.items() if entry.get("default")),
        next(iter(configs)) if len(configs) == 1 else DEFAULT_CONFIG,
    )
    if name not in configs:
        raise SourceError(
            f"{folder} has several configurations"
            if config is None
            else f"{folder} has no configuration {config!r}",
            f"Set source.config to one of: {', '.join(configs)}.",
            "source.config",
        )
    base = folder / str(configs[name].get("data_dir") or "")
    patterns = _patterns_by_split(configs[name].get("data_files"))
    if not patterns:
        return _by_name(base, [file for file in files if file.is_relative_to(base)])
    files_of_source = set(files)
    return {
        split: sorted({path for pattern in paths for path in base.glob(pattern)} & files_of_source)
        for split, paths in patterns.items()
    }


def _declared_configs(folder: Path) -> list[Mapping[str, Any]]:
    card = folder / CARD
    match = (
        FRONT_MATTER.match(card.read_text(encoding="utf-8", errors="replace"))
        if card.is_file()
        else None
    )
    if match is None:
        return []
    try:
        data = yaml.safe_load(match.group(1))
    except yaml.YAMLError as error:
        raise SourceError(
            f"{card}: the metadata at its start is invalid YAML",
            "Correct it, or name the files by a pattern such as data/*.parquet.",
            "source.path",
        ) from error
    configs = data.get("configs") if isinstance(data, dict) else None
    entries = configs if isinstance(configs, list) else []
    return [
        entry
        for entry in entries
        if isinstance(entry, dict) and ("data_files" in entry or "data_dir" in entry)
    ]


def _patterns_by_split(data_files: Any) -> dict[str, list[str]]:
    """Return the patterns of each split in any of the forms of `data_files` in a card."""
    if not data_files:
        return {}
    if isinstance(data_files, str):
        return {TRAIN: [data_files]}
    if isinstance(data_files, dict):
        return {str(split): _as_list(paths) for split, paths in data_files.items()}
    if all(isinstance(entry, str) for entry in data_files):
        return {TRAIN: list(data_files)}
    return {
        str(entry["split"]): _as_list(entry["path"])
        for entry in data_files
        if isinstance(entry, dict) and "split" in entry and "path" in entry
    }


def _as_list(paths: Any) -> list[str]:
    return [paths] if isinstance(paths, str) else list(map(str, paths))
