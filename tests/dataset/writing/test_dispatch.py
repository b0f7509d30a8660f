"""Shards whose workers or machines are lost are written again, though not forever."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import ShardLost
from deepsynth_tui.dataset.reading.sources import Document
from deepsynth_tui.dataset.writing.backends import LostShard
from deepsynth_tui.dataset.writing.dispatch import MAX_ATTEMPTS, MAX_NODES, write_shards
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch, batch_documents
from deepsynth_tui.dataset.writing.inline_backend import InlineBackend
from deepsynth_tui.dataset.writing.shards import Shard
from tests.dataset.writing.small_datasets import config


class LosingBackend(AbstractContextManager["LosingBackend"]):
    """An inline backend that loses the first batches that it is given."""

    def __init__(
        self, settings: DatasetConfig, folder: Path, losses: int, *, with_node: bool
    ) -> None:
        self._inline = InlineBackend(settings, folder, lambda _: None)
        self._losses = losses
        self._with_node = with_node
        self._lost: list[LostShard] = []

    def __exit__(self, *error: object) -> None:
        """Do nothing: no shard is in progress between calls."""

    @property
    def free(self) -> int:
        return self._inline.free

    @property
    def running(self) -> int:
        return self._inline.running + len(self._lost)

    def documents_done(self) -> int:
        return self._inline.documents_done()

    def submit(self, batch: DocumentBatch) -> None:
        if not self._losses:
            self._inline.submit(batch)
            return
        self._losses -= 1
        self._lost.append(LostShard(batch, "it is gone", with_node=self._with_node))

    def wait(self, timeout: float) -> Sequence[Shard | LostShard]:
        lost, self._lost = self._lost, []
        return [*lost, *self._inline.wait(timeout)]


def write(folder: Path, losses: int, *, with_node: bool) -> list[Shard]:
    documents = [Document(f"d{number}", f"Page {number}.", None) for number in range(2)]
    backend = LosingBackend(config(folder), folder, losses, with_node=with_node)
    batches = batch_documents(documents, size=2, eval_fraction=0.0)
    return list(write_shards(batches, backend, lambda _: False))


@pytest.mark.parametrize(("limit", "with_node"), [(MAX_ATTEMPTS, False), (MAX_NODES, True)])
def test_a_lost_shard_is_written_again_up_to_a_limit(tmp_path: Path, limit: int, with_node: bool):
    (shard,) = write(tmp_path, limit - 1, with_node=with_node)
    assert (shard.rows, (tmp_path / "train-00000.parquet").exists()) == (2, True)
    with pytest.raises(ShardLost, match=rf"\(documents d0 to d1\) died {limit} times.*it is gone"):
        write(tmp_path, limit, with_node=with_node)


def test_the_advice_names_what_was_lost(tmp_path: Path):
    for with_node, word in ((False, "num_proc"), (True, "machines")):
        with pytest.raises(ShardLost) as caught:
            write(tmp_path, 100, with_node=with_node)
        assert word in caught.value.advice
