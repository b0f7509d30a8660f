"""Which split a file belongs to: by its name, its folder or the dataset card, as in `datasets`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deepsynth_tui.conversations.errors import DatasetError

TRAIN = "train"
# The words by which `datasets.data_files` recognizes a split.
KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SHARD = re.compile(r"(?P<split>[\w.-]+?)-\d{5}-of-\d{5}")
SEPARATORS = "-._ 0-9"


def split_of(path: Path, root: Path) -> str | None:
    """Return the split that a file's name or one of its folders below `root` says, if any."""
    if match := SHARD.match(path.name):
        return match.group("split")
    for part in reversed(path.relative_to(root).parts):
        for split, words in KEYWORDS.items():
            pattern = rf"(^|[{SEPARATORS}])({'|'.join(words)})($|[{SEPARATORS}])"
            if re.search(pattern, part, re.IGNORECASE):
                return split
    return None


def files_by_split(files: Sequence[Path], root: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of each split; those of no split belong to train."""
    by_split: dict[str, list[Path]] = {}
    for path in files:
        by_split.setdefault(split_of(path, root) or TRAIN, []).append(path)
    return {split: tuple(paths) for split, paths in by_split.items()}


def named_files_by_split(files: Sequence[Path], root: Path) -> dict[str, tuple[Path, ...]]:
    """Return the files of each split where a user named the files: a single split is also train."""
    by_split = files_by_split(files, root)
    if len(by_split) == 1:
        by_split[TRAIN] = next(iter(by_split.values()))
    return by_split


def card_configs(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the configurations in the dataset card of a folder by name, without a card none."""
    card = folder / "README.md"
    if not card.is_file():
        return {}
    text = card.read_text(encoding="utf-8", errors="replace")
    match = re.match(r"\s*---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    try:
        metadata = yaml.safe_load(match.group(1)) if match else {}
    except yaml.YAMLError:
        return {}  # `datasets` too reads a folder with a damaged card by the names of its files
    configs = metadata.get("configs") if isinstance(metadata, dict) else None
    return {
        str(config.get("config_name", "default")): config
        for config in configs or ()
        if isinstance(config, dict) and "data_files" in config
    }


def card_files_by_split(folder: Path, config: Mapping[str, Any]) -> dict[str, tuple[Path, ...]]:
    """Return the files that a configuration of a card lists for each split.

    Raises:
        DatasetError: a pattern matches no file.
    """
    root = folder / str(config.get("data_dir") or "")
    by_split: dict[str, list[Path]] = {}
    for split, pattern in _patterns(config["data_files"]):
        files = sorted(path for path in root.glob(pattern) if path.is_file())
        if not files:
            raise DatasetError(
                f"{folder / 'README.md'}: no file matches {pattern!r} of split {split}",
                "Download the missing files, or correct the card.",
                "data.path",
            )
        by_split.setdefault(split, []).extend(files)
    return {split: tuple(files) for split, files in by_split.items()}


def _patterns(data_files: Any) -> Iterator[tuple[str, str]]:
    """Yield (split, pattern) for each form in which a card lists data files."""
    if isinstance(data_files, str):
        yield TRAIN, data_files
    elif isinstance(data_files, dict):
        for split, paths in data_files.items():
            for path in [paths] if isinstance(paths, str) else paths:
                yield str(split), str(path)
    else:
        for item in data_files or ():
            if isinstance(item, str):
                yield TRAIN, item
            else:
                paths = item.get("path") or ()
                for path in [paths] if isinstance(paths, str) else paths:
                    yield str(item.get("split", TRAIN)), str(path)
