"""Hand batches to a backend and collect their shards; lost shards are written again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

from deepsynth_tui.dataset.errors import ShardLost
from deepsynth_tui.dataset.progress import StopRequested
from deepsynth_tui.dataset.writing.backends import LostShard, WorkerBackend
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import Shard

MAX_ATTEMPTS = 2
"""How often a shard is started if its worker is killed."""
MAX_NODES = 5
"""How often it is started if the machine of its worker is lost, as cheap machines in clouds are."""
POLL_SECONDS = 0.1
"""Longest wait for a shard between two checks for a stop request."""


def write_shards(
    batches: Iterable[DocumentBatch | None],
    backend: WorkerBackend,
    report_and_check_stop: Callable[[int], bool],
) -> Iterator[Shard]:
    """Yield the shards of `batches` as they are finished.

    A None among the batches only means that the next one is still being read. At most one batch
    per worker is read ahead.

    Args:
        batches: One batch for each shard.
        backend: Writes the shards.
        report_and_check_stop: Called at least every `POLL_SECONDS` with the number of documents
            done in unfinished shards. Once it returns True no further shard is started.

    Raises:
        StopRequested: it returned True, and shards remain to be written.
        ShardLost: the worker of a shard was killed `MAX_ATTEMPTS` times, or `MAX_NODES` times with
            its machine.
    """
    dispatcher, all_read = _Dispatcher(backend, report_and_check_stop), False
    for batch in batches:
        if batch is not None:
            dispatcher.pending.append(batch)
        yield from dispatcher.step(timeout=0.0)
        while len(dispatcher.pending) > backend.running and not dispatcher.stopping:
            yield from dispatcher.step(timeout=POLL_SECONDS)
        if dispatcher.stopping:
            break
    else:
        all_read = True
    while backend.running or (dispatcher.pending and not dispatcher.stopping):
        yield from dispatcher.step(timeout=POLL_SECONDS)
    if dispatcher.pending or not all_read:
        raise StopRequested


class _Dispatcher:
    """Pending batches, and how often the shard of each was lost."""

    def __init__(
        self, backend: WorkerBackend, report_and_check_stop: Callable[[int], bool]
    ) -> None:
        self.pending: deque[DocumentBatch] = deque()
        self.stopping = False
        self._backend = backend
        self._report_and_check_stop = report_and_check_stop
        self._killed_workers: Counter[str] = Counter()
        self._lost_nodes: Counter[str] = Counter()

    def step(self, *, timeout: float) -> Iterator[Shard]:
        """Submit as many batches as fit, and yield the shards finished within `timeout` seconds."""
        stop = self._report_and_check_stop(self._backend.documents_done())
        self.stopping = stop or self.stopping
        while self.pending and self._backend.free and not self.stopping:
            self._backend.submit(self.pending.popleft())
        for shard in self._backend.wait(timeout):
            if isinstance(shard, LostShard):
                self._retry(shard)
            else:
                yield shard

    def _retry(self, lost: LostShard) -> None:
        batch = lost.batch
        losses, limit = (
            (self._lost_nodes, MAX_NODES)
            if lost.with_node
            else (self._killed_workers, MAX_ATTEMPTS)
        )
        losses[batch.name] += 1
        if losses[batch.name] == limit:
            raise _given_up(lost, limit)
        self.pending.appendleft(batch)


def _given_up(lost: LostShard, times: int) -> ShardLost:
    batch = lost.batch
    first, last = batch.documents[0].source_id, batch.documents[-1].source_id
    whose = "machine of the worker" if lost.with_node else "worker"
    advice = (
        "Look why the machines of the cluster go down, and continue with --resume."
        if lost.with_node
        else "It probably ran out of memory: lower num_proc and continue with --resume. If a "
        "document in this shard crashes the worker, the log may say more."
    )
    return ShardLost(
        f"the {whose} writing shard {batch.name} (documents {first} to {last}) died "
        f"{times} times, most recently: {lost.reason}",
        advice,
    )
