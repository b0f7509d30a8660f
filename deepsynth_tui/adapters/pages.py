"""Pages to measure a model on: rows of a named dataset, or those that a run held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.rows import ExamData, held_out_split
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.conversations.dataset import Conversations, open_dataset
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.dataset import check_model_reads, load_split
from deepsynth_tui.training.data.open_datasets import resolve
from deepsynth_tui.training.data.sample_rows import evenly_spaced_sample

if TYPE_CHECKING:
    from deepsynth_tui.conversations.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Pages:
    """Rows, read on access. `description` says which they are."""

    indices: Sequence[int]
    conversation: Callable[[int], Conversation]
    description: str


def open_pages(adapter: Adapter, data: ExamData | None, *, limit: int, images: bool) -> Pages:
    """Return up to `limit` rows, evenly spaced; without `data`, rows that the run held out.

    Raises:
        UserError: the dataset cannot be read, or the adapter names none.
        ConnectionError: it is on the Hub, which cannot be reached.
    """
    if data is None:
        return _own_pages(adapter, limit, images=images)
    path = resolve(data.path)
    split = data.split or held_out_split(data.path, path)
    dataset = open_dataset(path, split=split, columns=data.columns)
    check_model_reads(Conversations((dataset,)), images=images)
    indices = sorted(evenly_spaced_sample(len(dataset), limit, seed=0))
    return Pages(indices, dataset.conversation, f"{len(indices)} rows of {data.path} {split}")


def _own_pages(adapter: Adapter, limit: int, *, images: bool) -> Pages:
    if not adapter.lineage:
        raise UserError(
            f"{adapter.name} does not say which data it was trained on", "Name pages with --data"
        )
    config = answer_config(adapter)
    try:
        split = load_split(config, images=images)
    except UserError as error:
        raise UserError(
            f"The dataset of {adapter.name} cannot be opened: {error.message}",
            "Name pages with --data",
        ) from error
    rows = split.held_out if len(split.held_out) else split.train
    which = "held out" if len(split.held_out) else "trained on"
    indices = sorted(evenly_spaced_sample(len(rows), limit, seed=0))
    description = f"{len(indices)} rows {which} of {config.dataset_paths}"
    return Pages(indices, rows.conversation, description)
