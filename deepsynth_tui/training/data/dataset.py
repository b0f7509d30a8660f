"""The dataset on disk, split into rows to train on and held-out rows. Images stay encoded."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import datasets.config
import pyarrow
import torch
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from deepsynth_tui.conversations.layouts import Columns, row_to_conversation
from deepsynth_tui.training.data.dataset_folder import dataset_folder
from deepsynth_tui.training.data.example import Example, ExampleBuilder, Truncation
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings, TrainingConfig
    from deepsynth_tui.conversations.conversation import Conversation

DOCUMENT_COLUMN = "source_hash"  # equal for all rows of one document


@dataclass(frozen=True)
class Rows(torch.utils.data.Dataset[Example]):
    """A subset of a dataset's rows as examples for a model, each read from disk on access.

    Attributes:
        indices: Indices of the rows in `dataset`.
        columns: The columns that hold images and answers.
        builder: Turns the conversation of a row into an example.
        truncations: The truncation of a row by its index in `dataset`.
    """

    dataset: datasets.Dataset
    indices: Sequence[int]
    columns: Columns
    builder: ExampleBuilder
    truncations: Mapping[int, Truncation] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Example:
        truncation = self.truncations.get(self.indices[position])
        return self.builder.build(self.conversation(position), truncation)

    def conversation(self, position: int) -> Conversation:
        """Return a row as it is in the dataset.

        Raises:
            RowError: the row cannot be used.
        """
        index = self.indices[position]
        return row_to_conversation(self.dataset[index], index, self.columns)

    def select(self, positions: Sequence[int]) -> Rows:
        """Return the rows at these positions."""
        return replace(self, indices=[self.indices[position] for position in positions])

    def truncate(self, truncations: Mapping[int, Truncation]) -> Rows:
        """Return all rows, those at the positions in `truncations` truncated."""
        by_index = {self.indices[position]: value for position, value in truncations.items()}
        return replace(self, truncations={**self.truncations, **by_index})


@dataclass(frozen=True, slots=True)
class Split:
    """The rows to train on and the held-out rows, possibly none."""

    train: Rows
    held_out: Rows


def load_split(config: TrainingConfig, *, images: bool) -> Split:
    """Open the dataset and split it into examples for a model.

    With `images`, for a model that reads images, the dataset must have them.

    Rows of one document are never on both sides. The split depends only on `data.split_seed` and
    the dataset.

    Raises:
        TrainingError: the dataset, the split or a column does not exist, or no row is left to
            train on.
    """
    data = config.data
    dataset = open_dataset(data)
    check_columns(dataset.column_names, data, images=images)
    dataset = keep_images_encoded(dataset, data.image_column)
    groups = (
        dataset[DOCUMENT_COLUMN] if DOCUMENT_COLUMN in dataset.column_names else range(len(dataset))
    )
    train, held_out = group_shuffle_split(list(groups), data.eval_fraction, seed=data.split_seed)
    if not train:
        raise TrainingError(
            f"{data.path}: none of {len(dataset)} rows is left to train on",
            "Lower data.eval_fraction or make a larger dataset.",
        )
    if data.eval_fraction and not held_out:
        raise TrainingError(
            f"{data.path}: {data.eval_fraction:g} of {len(dataset)} rows is less than one row",
            "Raise data.eval_fraction, or set it to 0 to hold nothing out.",
        )
    rows = Rows(
        dataset,
        range(len(dataset)),
        columns_of(data),
        ExampleBuilder(data, images, config.text_encoder.enabled),
    )
    return Split(
        train=rows.select(train[: data.max_train_samples]),
        held_out=rows.select(held_out[: data.max_eval_samples]),
    )


def columns_of(data: DataSettings) -> Columns:
    """Return the columns that the configuration names."""
    return Columns(images=data.image_column, target=data.target_column)


def open_dataset(data: DataSettings) -> datasets.Dataset:
    """Open the split `data.split` of `data.path`.

    Raises:
        TrainingError: the path is not a folder, run or Hub dataset, or it has no such split.
    """
    folder = dataset_folder(data.path)
    cache = _cache_dir(folder) if folder else None
    try:
        dataset = datasets.load_dataset(
            str(folder or data.path), split=data.split, cache_dir=str(cache) if cache else None
        )
    except (FileNotFoundError, DatasetNotFoundError) as error:
        raise TrainingError(
            f"data.path: {data.path} is not a folder, not a run on this machine and not a dataset "
            f"that can be reached on the Hub ({error})",
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


def _cache_dir(folder: Path) -> Path:
    """Return a cache folder for the present state of the files in `folder`.

    By default `datasets` identifies a folder with a dataset card by its last path component, and
    returns cached rows of another folder of the same name.
    """
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    state = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    name = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    return Path(datasets.config.HF_DATASETS_CACHE) / "deepsynth" / name


def check_columns(columns: Sequence[str], data: DataSettings, *, images: bool) -> None:
    """Raise TrainingError unless there is an answer column and, with `images`, a page column."""
    existing = f"the dataset has {', '.join(columns)}"
    if data.target_column not in columns and "messages" not in columns:
        raise TrainingError(
            f"data.target_column: there is no column {data.target_column!r}; {existing}",
            "Name the column that holds the text to learn.",
        )
    if images and data.image_column not in columns:
        raise TrainingError(
            f"data.image_column: there is no column {data.image_column!r}; {existing}",
            "Name the column that holds the page images, or choose a text-only model.",
        )


def keep_images_encoded(dataset: datasets.Dataset, column: str) -> datasets.Dataset:
    """Return the dataset with the images of `column` as stored bytes instead of pixels."""
    feature = dataset.features.get(column)
    if isinstance(feature, datasets.Image):
        return dataset.cast_column(column, datasets.Image(decode=False))
    if isinstance(feature, datasets.List) and isinstance(feature.feature, datasets.Image):
        return dataset.cast_column(column, datasets.List(datasets.Image(decode=False)))
    return dataset


def group_shuffle_split(
    groups: Sequence[Any], fraction: float, *, seed: int
) -> tuple[list[int], list[int]]:
    """Split row indices by group; return sorted (training indices, held-out indices).

    `groups` has the group of each row. Groups are drawn at random and held out as long as at most
    `fraction` of the rows are.
    """
    members: dict[Any, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    order = list(members)
    random.Random(seed).shuffle(order)
    limit = int(fraction * len(groups))
    held_out: set[int] = set()
    for group in order:
        if len(held_out) + len(members[group]) <= limit:
            held_out.update(members[group])
    return [index for index in range(len(groups)) if index not in held_out], sorted(held_out)
