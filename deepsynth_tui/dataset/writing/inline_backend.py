"""Who makes shards: this process itself, others on this machine, or a Ray cluster.

Whoever it is, a shard is made by `write_shard`, and the parent hears of it through the same few
calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import Count, Shard, write_shard


@dataclass(frozen=True, slots=True)
class LostShard:
    """A shard whose process is gone without a word; `how` it went, for people."""

    group: DocumentBatch
    how: str


class WorkerBackend(Protocol):
    """Makes shards, several at a time. Leaving it ends at once what it is doing."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def free(self) -> int:
        """How many shards could be begun now."""
        ...

    @property
    def busy(self) -> int:
        """How many shards are being made."""
        ...

    def documents_done(self) -> int:
        """How many documents of the shards being made are done."""
        ...

    def begin(self, group: DocumentBatch) -> None:
        """Begin the shard of `group`; one must be free."""
        ...

    def finished(self, seconds: float) -> Sequence[Shard | LostShard]:
        """Wait at most `seconds` for shards to be finished or lost, and return them.

        Raises what `write_shard` raises.
        """
        ...


class InlineBackend(AbstractContextManager["InlineBackend"]):
    """This process makes the shards, one after the other: `begin` returns when one is finished.

    `look` is called after each document, and ends the work by raising.
    """

    def __init__(self, config: DatasetConfig, folder: Path, look: Count) -> None:
        self._config = config
        self._folder = folder
        self._look = look
        self._made: list[Shard] = []

    def __exit__(self, *error: object) -> None:
        """There is nothing to end."""

    @property
    def free(self) -> int:
        """One, unless what is made has not been taken."""
        return 0 if self._made else 1

    @property
    def busy(self) -> int:
        """One, where what is made has not been taken."""
        return len(self._made)

    def documents_done(self) -> int:
        """All of what is made."""
        return sum(shard.tally.read for shard in self._made)

    def begin(self, group: DocumentBatch) -> None:
        """Make the shard."""
        self._made.append(write_shard(group, self._config, self._folder, self._look))

    def finished(self, seconds: float) -> Sequence[Shard]:
        """Return what is made."""
        made, self._made = self._made, []
        return made
