"""The rows to train on and the held-out rows, as examples for a model. Images stay encoded."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.training.data.example import Example, ExampleBuilder, Truncation
from deepsynth_tui.training.data.mixing import mix
from deepsynth_tui.training.data.open_datasets import open_eval_dataset, open_training_datasets

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.conversations.conversation import Conversation
    from deepsynth_tui.conversations.dataset import Conversations

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows(torch.utils.data.Dataset[Example]):
    """A subset of a dataset's rows as examples for a model, each read from disk on access.

    Attributes:
        indices: Indices of the rows in `dataset`; a row may be there more than once.
        builder: Turns the conversation of a row into an example.
        truncations: The truncation of a row by its index in `dataset`.
        mixed_rows: Rows of an epoch before any is held out, if datasets are mixed.
    """

    dataset: Conversations
    indices: Sequence[int]
    builder: ExampleBuilder
    truncations: Mapping[int, Truncation] = field(default_factory=dict)
    mixed_rows: int | None = None

    @property
    def total_rows(self) -> int:
        """Rows that training and held-out rows are taken from, for an estimate of the steps."""
        return len(self.dataset) if self.mixed_rows is None else self.mixed_rows

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
        return self.dataset[self.indices[position]]

    def select(self, positions: Sequence[int]) -> Rows:
        """Return the rows at these positions."""
        return replace(self, indices=[self.indices[position] for position in positions])

    def truncate(self, truncations: Mapping[int, Truncation]) -> Rows:
        """Return all rows, those at the positions in `truncations` truncated."""
        by_index = {self.indices[position]: value for position, value in truncations.items()}
        return replace(self, truncations={**self.truncations, **by_index})


@dataclass(frozen=True, slots=True)
class Split:
    """The rows to train on and the held-out rows, possibly none.

    `description` says how the rows of each dataset are read, and which are taken; `notices` what
    is converted, guessed or left out.
    """

    train: Rows
    held_out: Rows
    description: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def load_split(config: TrainingConfig, *, images: bool) -> Split:
    """Open the datasets and split them into examples for a model.

    With `images`, for a model that reads images, the dataset must have them.

    Rows of one document are never on both sides. The split depends only on `data.split_seed` and
    the datasets.

    Raises:
        DatasetError: a dataset, split or column does not exist, the model cannot read the rows,
            or no row is left to train on.
        ConnectionError: a dataset is on the Hub, which cannot be reached.
    """
    data = config.data
    dataset = open_training_datasets(config)
    eval_dataset = open_eval_dataset(config)
    for opened in (dataset, eval_dataset):
        if opened is not None:
            check_model_reads(opened, images=images)
    builder = ExampleBuilder(data, images, config.text_encoder.enabled)
    taken, held_out, mixture = _split_parts(config, dataset)
    mixed_rows = round(len(taken) / (1 - data.eval_fraction)) if mixture else None
    train = Rows(dataset, taken[: data.max_train_samples], builder, mixed_rows=mixed_rows)
    if eval_dataset is None:
        held_out_rows = Rows(dataset, held_out[: data.max_eval_samples], builder)
    else:
        every = range(len(eval_dataset))
        held_out_rows = Rows(eval_dataset, every[: data.max_eval_samples], builder)
    evaluated = (
        tuple(f"evaluation: {line}" for line in eval_dataset.describe()) if eval_dataset else ()
    )
    notices = list(dataset.notices())
    if eval_dataset is not None:
        notices += [f"evaluation: {notice}" for notice in eval_dataset.notices()]
        notices += _shared_documents(dataset, eval_dataset)
    split = Split(train, held_out_rows, (*dataset.describe(), *mixture, *evaluated), tuple(notices))
    for line in split.description:
        log.info("%s", line)
    for notice in split.notices:
        log.warning("%s", notice)
    return split


def check_model_reads(dataset: Conversations, *, images: bool) -> None:
    """Raise DatasetError if the model would not see what the rows are about."""
    for part in dataset.parts:
        layout = part.layout
        if images and not layout.has_images:
            raise DatasetError(
                f"data.image_column: no column of {part.path} holds images; the dataset has "
                f"{', '.join(part.rows.schema)}",
                "Name the column that holds the page images, or choose a text-only model.",
                "data.image_column",
            )
        columns = layout.columns
        if not images and layout.has_images and not (columns.document or columns.prompted_document):
            raise DatasetError(
                f"the rows of {part.path} are about images, which the model does not read, and no "
                "column text has what is on them: it would learn to answer blindly",
                "Choose a model that reads images, or add a column text to the dataset.",
                "model.name_or_path",
            )


def _split_parts(
    config: TrainingConfig, dataset: Conversations
) -> tuple[list[int], list[int], list[str]]:
    """Return the rows to train on and to hold out, and lines that say what was taken of each.

    Rows are held out of each dataset first, and the others mixed.
    """
    data = config.data
    trained: list[list[int]] = []
    held_out: list[int] = []
    for number, part in enumerate(dataset.parts):
        groups = part.groups() if data.eval_fraction else range(len(part))
        own, own_held_out = group_shuffle_split(groups, data.eval_fraction, seed=data.split_seed)
        start = dataset.start(number)
        trained.append([start + index for index in own])
        held_out += [start + index for index in own_held_out]
    paths = config.dataset_paths
    if not all(trained):
        empty = next(p for p, rows in zip(dataset.parts, trained, strict=True) if not rows)
        raise DatasetError(
            f"{empty.path}: none of {len(empty)} rows is left to train on",
            "Lower data.eval_fraction or make a larger dataset.",
            "data.eval_fraction",
        )
    if data.eval_fraction and not held_out:
        raise DatasetError(
            f"{paths}: {data.eval_fraction:g} of {len(dataset)} rows is less than one row",
            "Raise data.eval_fraction, or set it to 0 to hold nothing out.",
            "data.eval_fraction",
        )
    if len(trained) == 1:
        return trained[0], held_out, []
    weights = [item.weight for item in config.datasets if item.weight is not None] or None
    mixed = mix(trained, weights, strategy=data.stopping_strategy, seed=data.split_seed)
    random.Random(data.split_seed).shuffle(held_out)  # so that its first rows are of all datasets
    return mixed, held_out, list(_mixture_lines(dataset, trained, mixed))


def _mixture_lines(
    dataset: Conversations, trained: Sequence[Sequence[int]], mixed: Sequence[int]
) -> Iterator[str]:
    counts = Counter(mixed)
    for part, rows in zip(dataset.parts, trained, strict=True):
        total = sum(counts[row] for row in rows)
        distinct = sum(row in counts for row in rows)
        repeated = f", {total - distinct} of them again" if total > distinct else ""
        yield (
            f"{part.prefix}{total} rows per epoch{repeated}, {total / len(mixed):.1%} of all; "
            f"{len(rows) - distinct} of {len(rows)} rows are not taken"
        )


def _shared_documents(dataset: Conversations, eval_dataset: Conversations) -> Iterator[str]:
    """Yield a notice if documents are trained on and evaluated on."""
    trained = {document for part in dataset.parts for document in part.documents()}
    shared = [d for part in eval_dataset.parts for d in part.documents() if d in trained]
    if shared:
        yield f"{len(shared)} rows to evaluate on are of documents that are also trained on"


def group_shuffle_split(
    groups: Sequence[Hashable], fraction: float, *, seed: int
) -> tuple[list[int], list[int]]:
    """Split row indices by group; return sorted (training indices, held-out indices).

    `groups` has the group of each row. Groups are drawn at random and held out as long as at most
    `fraction` of the rows are.
    """
    members: dict[Hashable, list[int]] = {}
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
