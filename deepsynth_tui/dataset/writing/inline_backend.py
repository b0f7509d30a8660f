"""The backend for `num_proc: 1`: shards are written by the job's own process, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import Shard, write_shard


class InlineBackend(AbstractContextManager["InlineBackend"]):
    """Writes each shard within `submit`.

    `on_document` is called after each document and may raise to stop the work.
    """

    def __init__(
        self, config: DatasetConfig, folder: Path, on_document: Callable[[int], object]
    ) -> None:
        self._config = config
        self._folder = folder
        self._on_document = on_document
        self._finished: list[Shard] = []

    def __exit__(self, *error: object) -> None:
        """Do nothing: no shard is in progress between calls."""

    @property
    def free(self) -> int:
        """1 once `wait` has returned the last shard."""
        return 0 if self._finished else 1

    @property
    def running(self) -> int:
        """Number of shards that `wait` has not returned yet."""
        return len(self._finished)

    def documents_done(self) -> int:
        """Return the number of documents in shards that `wait` has not returned yet."""
        return sum(shard.tally.documents_read for shard in self._finished)

    def submit(self, batch: DocumentBatch) -> None:
        """Write the shard."""
        self._finished.append(write_shard(batch, self._config, self._folder, self._on_document))

    def wait(self, timeout: float) -> Sequence[Shard]:
        """Return the finished shards."""
        finished, self._finished = self._finished, []
        return finished
