"""The rows of an exam: those of a dataset that no examined adapter was trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.files import Exam, ExamRow
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.conversations.columns import Columns
from deepsynth_tui.conversations.dataset import (
    Conversations,
    StoredDataset,
    open_dataset,
    split_names,
)
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.dataset import check_model_reads, load_split
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.data.open_datasets import EVAL_SPLITS, resolve
from deepsynth_tui.training.data.sample_rows import evenly_spaced_sample
from deepsynth_tui.training.result.lineage import fingerprint

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

SAMPLE_SEED = 0  # of the rows that a limit chooses


@dataclass(frozen=True, slots=True)
class ExamData:
    """The dataset that a person names for an exam."""

    path: str
    split: str | None
    columns: Columns
    limit: int | None


@dataclass(frozen=True, slots=True)
class OpenedExam:
    """An exam and the dataset that holds its pages."""

    exam: Exam
    dataset: StoredDataset


def open_exam(data: ExamData, adapters: Sequence[Adapter], *, images: bool) -> OpenedExam:
    """Open the dataset and choose its rows. With `images`, for models that read images.

    Raises:
        UserError: the dataset cannot be read, has several splits and none is named, or no row is
            left.
        ConnectionError: it is on the Hub, which cannot be reached.
    """
    path = resolve(data.path)
    split = data.split or held_out_split(data.path, path)
    dataset = open_dataset(path, split=split, columns=data.columns)
    check_model_reads(Conversations((dataset,)), images=images)
    notes = [*dataset.all_notices()]
    trained: set[int] = set()
    for adapter in adapters:
        rows, remarks = _trained_rows(adapter, dataset, path, split, images=images)
        trained |= rows
        notes += remarks
    if trained:
        notes.append(f"{len(trained)} of {len(dataset)} rows are left out: adapters learned them")
    indices = [index for index in range(len(dataset)) if index not in trained]
    if data.limit is not None:
        chosen = evenly_spaced_sample(len(indices), data.limit, seed=SAMPLE_SEED)
        indices = [indices[position] for position in sorted(chosen)]
    settings = answer_config(adapters[0]).data
    builder = ExampleBuilder(settings, images, text_encoder=False)
    rows, fingerprint_of_rows, bad = _read_rows(dataset, indices, builder)
    notes += [f"left out: {error.message}" for error in bad]
    if not rows:
        raise UserError(
            f"{data.path}: none of the {len(dataset)} rows of the split {split} is left to examine",
            "; ".join(notes) or "Choose another dataset",
        )
    exam = Exam(data.path, split, fingerprint_of_rows, rows, notes, asdict(data.columns))
    return OpenedExam(exam, dataset)


def held_out_split(name: str, path: str) -> str:
    """Return the split to examine on if none is named: validation, test, or the only one.

    Raises:
        UserError: there are several others.
    """
    splits = split_names(path)
    named = [split for split in EVAL_SPLITS if split in splits]
    if named:
        return named[0]
    if len(splits) == 1:
        return splits[0]
    raise UserError(f"{name} has the splits {', '.join(splits)}", "Name one with --split")


def _read_rows(
    dataset: StoredDataset, indices: Sequence[int], builder: ExampleBuilder
) -> tuple[list[ExamRow], str, list[RowError]]:
    """Return the rows, a hash of their questions, pages and targets, and those that are bad."""
    groups = dataset.groups()
    digest = hashlib.sha256()
    rows, bad = [], []
    for index in indices:
        try:
            conversation = dataset.conversation(index)
            example = builder.build(conversation)
        except RowError as error:
            bad.append(error)
            continue
        digest.update(json.dumps(list(example.messages), default=dict).encode())
        for image in conversation.images:
            digest.update(image["bytes"] or str(image["path"]).encode())
        rows.append(ExamRow(index, conversation.row_id, str(groups[index]), example.answer))
    return rows, digest.hexdigest()[:16], bad


def _trained_rows(
    adapter: Adapter, dataset: StoredDataset, path: str, split: str, *, images: bool
) -> tuple[set[int], list[str]]:
    """Return the rows that an adapter learned, or whose documents it did, and remarks.

    The run of the adapter is opened and split again, which gives the rows it was trained on.
    """
    if parts := adapter.lineage.get("combined", {}).get("parts"):
        rows, remarks = set(), []
        for part in parts:
            stored = replace(adapter.stored, name=f"{adapter.name}: {part['name']}")
            of_part = replace(adapter, stored=stored, lineage=part["lineage"])
            part_rows, part_remarks = _trained_rows(of_part, dataset, path, split, images=images)
            rows |= part_rows
            remarks += part_remarks
        return rows, remarks
    if not adapter.lineage:
        return set(), [f"{adapter.name}: what it was trained on is unknown, it may know these rows"]
    config = answer_config(adapter)
    try:
        trained = load_split(config, images=images)
    except (UserError, ConnectionError) as error:
        return set(), [
            f"{adapter.name}: its training data cannot be opened, it may know these rows ({error})"
        ]
    described = adapter.lineage["dataset"]
    remarks = []
    changed = described.get("fingerprint") not in (None, fingerprint(trained))
    if changed and not described.get("bad_rows") and not described.get("too_long"):
        remarks.append(
            f"{adapter.name}: its training data has changed since, it may know some rows"
        )
    learned = trained.train
    documents: set[Hashable] = set()
    rows: set[int] = set()
    for number, part in enumerate(learned.dataset.parts):
        start = learned.dataset.start(number)
        own = [i - start for i in learned.indices if start <= i < start + len(part)]
        if resolve(part.path) == path and _split_of(config, number) == split:
            rows.update(own)
        of_rows = part.documents()
        documents.update(of_rows[i] for i in own if of_rows)
    rows.update(i for i, document in enumerate(dataset.documents()) if document in documents)
    return rows, remarks


def _split_of(config: TrainingConfig, number: int) -> str:
    return config.datasets[number].split if config.datasets else config.data.split
