"""The dataset on disk as rows to train on and rows held out; pixels are decoded later."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import datasets
import datasets.config
import pyarrow
import torch
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from deepsynth_tui.training.data.dataset_folder import dataset_folder
from deepsynth_tui.training.data.formats import POSITION, Cut
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings

DOCUMENT = "source_hash"  # rows that share it come from one document
NO_CUTS: Mapping[int, Cut] = MappingProxyType({})


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    """Some rows of a dataset, by position, each read from disk when it is asked for.

    `cuts` say, by position, which rows are shortened.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        positions: Sequence[int],
        cuts: Mapping[int, Cut] = NO_CUTS,
    ) -> None:
        self.dataset = dataset
        self.positions = positions
        self.cuts = cuts

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> dict[str, Any]:
        position = self.positions[index]
        row = {**self.dataset[position], POSITION: position}
        cut = self.cuts.get(position)
        return row if cut is None else {**row, Cut.KEY: cut}


@dataclass(frozen=True, slots=True)
class Split:
    """The rows to learn from, and those held out (possibly none)."""

    train: Rows
    held_out: Rows


def load_rows(data: DataSettings, *, images: bool) -> Split:
    """Open the dataset of a configuration and split it; `images` says whether pages are needed.

    Rows of one document are never on both sides. The choice depends on `data.split_seed` and the
    dataset alone.

    Raises:
        TrainingError: no such dataset, split or column, or nothing left to train on.
    """
    dataset = open_dataset(data)
    check_columns(dataset.column_names, data, images=images)
    dataset = undecoded(dataset, data.image_column)
    groups = dataset[DOCUMENT] if DOCUMENT in dataset.column_names else range(len(dataset))
    train, held_out = split(list(groups), data.eval_fraction, seed=data.split_seed)
    if not train:
        raise TrainingError(
            f"{data.path}: of {len(dataset)} rows none is left to train on",
            "Lower data.eval_fraction or make a larger dataset.",
        )
    if data.eval_fraction and not held_out:
        raise TrainingError(
            f"{data.path}: {data.eval_fraction:g} of {len(dataset)} rows is less than one row",
            "Raise data.eval_fraction, or set it to 0 to hold nothing out.",
        )
    return Split(
        train=Rows(dataset, train[: data.max_train_samples]),
        held_out=Rows(dataset, held_out[: data.max_eval_samples]),
    )


def open_dataset(data: DataSettings) -> datasets.Dataset:
    """Open the split `data.split` of `data.path`.

    Raises:
        TrainingError: it is neither folder, run nor Hub dataset, or has no such split.
    """
    folder = dataset_folder(data.path)
    cache = _cache_of(folder) if folder else None
    try:
        dataset = datasets.load_dataset(
            str(folder or data.path), split=data.split, cache_dir=str(cache) if cache else None
        )
    except (FileNotFoundError, DatasetNotFoundError) as error:
        raise TrainingError(
            f"data.path: {data.path} is no folder, no run of this machine and no dataset that can "
            f"be reached on the Hub ({error})",
            "Give the folder that `generate` wrote, or the id of its run.",
        ) from error
    except (DatasetGenerationError, pyarrow.ArrowInvalid) as error:
        raise TrainingError(
            f"data.path: {data.path} cannot be read: {error.__cause__ or error}",
            "Generate the dataset again, or remove the damaged file.",
        ) from error
    except ValueError as error:  # what `datasets` raises for an unknown split
        raise TrainingError(f"data.split: {error}", "Set data.split to one of those.") from error
    if not isinstance(dataset, datasets.Dataset) or len(dataset) == 0:
        raise TrainingError(f"{data.path} has no rows", "Generate the dataset again.")
    return dataset


def _cache_of(folder: Path) -> Path:
    """Return a cache for the files in `folder` as they are now.

    `datasets` alone knows a folder with a card by its last name, and gives its rows for those of
    any other folder called the same.
    """
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    state = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    name = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    return Path(datasets.config.HF_DATASETS_CACHE) / "deepsynth" / name


def check_columns(columns: Sequence[str], data: DataSettings, *, images: bool) -> None:
    """Raise TrainingError unless rows hold an answer to learn and, with `images`, pages."""
    there = f"the dataset has {', '.join(columns)}"
    if data.target_column not in columns and "messages" not in columns:
        raise TrainingError(
            f"data.target_column: there is no column {data.target_column!r}; {there}",
            "Name the column that holds the text to learn.",
        )
    if images and data.image_column not in columns:
        raise TrainingError(
            f"data.image_column: there is no column {data.image_column!r}; {there}",
            "Name the column that holds the page images, or choose a model for text alone.",
        )


def undecoded(dataset: datasets.Dataset, column: str) -> datasets.Dataset:
    """Leave the images of `column` as the bytes they are stored as, until a batch needs them."""
    feature = dataset.features.get(column)
    if isinstance(feature, datasets.Image):
        return dataset.cast_column(column, datasets.Image(decode=False))
    if isinstance(feature, datasets.List) and isinstance(feature.feature, datasets.Image):
        return dataset.cast_column(column, datasets.List(datasets.Image(decode=False)))
    return dataset


def split(groups: Sequence[Any], fraction: float, *, seed: int) -> tuple[list[int], list[int]]:
    """Positions to train on and positions held out, both in order; whole groups at a time.

    About `fraction` of the rows are held out: groups are drawn at random until the next would
    exceed it.
    """
    members: dict[Any, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    order = list(members)
    random.Random(seed).shuffle(order)
    wanted = int(fraction * len(groups))
    held_out: set[int] = set()
    for group in order:
        if len(held_out) + len(members[group]) <= wanted:
            held_out.update(members[group])
    return (
        [position for position in range(len(groups)) if position not in held_out],
        sorted(held_out),
    )
