"""The datasets that a configuration names, opened: to train on, and to evaluate on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from deepsynth_tui.conversations.dataset import (
    Conversations,
    StoredDataset,
    open_dataset,
    split_names,
)
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.training.data.dataset_folder import dataset_folder
from deepsynth_tui.training.data.named_columns import columns_of

if TYPE_CHECKING:
    from deepsynth_tui.config.data import RowSettings
    from deepsynth_tui.config.training import TrainingConfig

EVAL_SPLITS = ("validation", "test")
"""Splits to evaluate on if none is named, in this order."""


def open_training_datasets(config: TrainingConfig) -> Conversations:
    """Open the dataset or datasets to train on.

    Raises:
        DatasetError: one of them cannot be opened; its key is that of the configuration.
        ConnectionError: one is on the Hub, which cannot be reached.
    """
    if not config.datasets:
        return Conversations((open_rows(config.data),))
    names = short_names([dataset.path for dataset in config.datasets])
    opened = []
    for number, (name, dataset) in enumerate(zip(names, config.datasets, strict=True), start=1):
        try:
            opened.append(open_rows(dataset, prefix=f"{name}: "))
        except DatasetError as error:
            place = f"datasets.{number}."
            message = error.message.replace("data.", place, 1)
            if dataset.path not in message:
                message = f"{dataset.path}: {message}"
            key = error.key.replace("data.", place, 1)
            raise DatasetError(message, error.advice.replace("data.", place), key) from error
    return Conversations(tuple(opened))


def open_eval_dataset(config: TrainingConfig) -> Conversations | None:
    """Open the dataset to evaluate on, None if there is none besides the one to train on.

    Raises:
        DatasetError: it cannot be opened, or has several splits and none is named.
        ConnectionError: it is on the Hub, which cannot be reached.
    """
    data = config.data
    if data.eval_path is None and data.eval_split is None:
        return None
    path = data.eval_path or data.path
    same_dataset = path == data.path
    configuration = data.config if same_dataset else None
    split = data.eval_split or _eval_split(path, configuration)
    changes = {"path": path, "split": split, "config": configuration}
    if not same_dataset:
        changes["image_folder"] = None
    try:
        return Conversations((open_rows(data.model_copy(update=changes)),))
    except DatasetError as error:
        message = error.message.replace("data.path", "data.eval_path")
        message = message.replace("data.split", "data.eval_split")
        advice = error.advice.replace("data.split", "data.eval_split")
        key = {"data.path": "data.eval_path", "data.split": "data.eval_split"}.get(
            error.key, error.key
        )
        raise DatasetError(message, advice, key) from error


def _eval_split(path: str, configuration: str | None) -> str:
    splits = split_names(resolve(path), configuration)
    named = [split for split in EVAL_SPLITS if split in splits]
    if named:
        return named[0]
    if len(splits) == 1:
        return splits[0]
    raise DatasetError(
        f"data.eval_split: {path} has the splits {', '.join(splits)}",
        "Set data.eval_split to one of those.",
        "data.eval_split",
    )


def open_rows(settings: RowSettings, *, prefix: str = "") -> StoredDataset:
    """Open one dataset. Raises `DatasetError` and `ConnectionError`."""
    return open_dataset(
        resolve(settings.path),
        split=settings.split,
        config=settings.config,
        columns=columns_of(settings),
        image_folder=settings.image_folder,
        prefix=prefix,
    )


def resolve(path: str) -> str:
    """Return the dataset folder of a run for its id or name, and any other path as it is.

    Raises:
        DatasetError: the run has no dataset yet.
    """
    folder = dataset_folder(path)
    if folder is None:
        return path
    if not folder.is_dir():
        raise DatasetError(
            f"data.path: the run {path} has no dataset yet", "Let it finish first.", "data.path"
        )
    return str(folder)


def short_names(paths: Sequence[str]) -> list[str]:
    """Return a unique name for each dataset: the shortest end of its path, numbered if equal."""
    parts = [PurePath(path).parts or (path,) for path in paths]
    names: list[str] = []
    uses: Counter[str] = Counter()
    for own in parts:
        length = next(
            (n for n in range(1, len(own)) if sum(p[-n:] == own[-n:] for p in parts) == 1),
            len(own),
        )
        name = str(PurePath(*own[-length:]))
        uses[name] += 1
        names.append(name if uses[name] == 1 else f"{name}#{uses[name]}")
    return names
