"""Groups to a crew, shards back; one that is lost is made again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

from deepsynth_tui.dataset.errors import ShardLost
from deepsynth_tui.dataset.progress import StopRequested
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.inline_backend import LostShard, WorkerBackend
from deepsynth_tui.dataset.writing.shards import Shard

ATTEMPTS = 2
"""How often a shard is begun whose process is killed."""
POLL = 0.1
"""Seconds between two looks at the requests while all are at work."""


def write_shards(
    groups: Iterable[DocumentBatch | None], crew: WorkerBackend, look: Callable[[int], bool]
) -> Iterator[Shard]:
    """Yield the shards of `groups` as they are finished; None among them says that one fills.

    `look` is told all the time how many documents of the shards under way are done; once it
    returns True no shard is begun any more; once the last is finished `StopRequested` is raised,
    unless it was the last of all.
    One group for each member of the crew is read ahead. Raises `ShardLost`, and what making shards
    raises.
    """
    work, all_dealt = _Work(crew, look), False
    for group in groups:
        if group is not None:
            work.waiting.append(group)
        yield from work.go_on(wait=0.0)
        while len(work.waiting) > crew.busy and not work.closing:
            yield from work.go_on(wait=POLL)
        if work.closing:
            break
    else:
        all_dealt = True
    while crew.busy or (work.waiting and not work.closing):
        yield from work.go_on(wait=POLL)
    if work.waiting or not all_dealt:
        raise StopRequested


class _Work:
    """Groups that wait to be begun, and how often each was lost."""

    def __init__(self, crew: WorkerBackend, look: Callable[[int], bool]) -> None:
        self.waiting: deque[DocumentBatch] = deque()
        self.closing = False
        self._crew = crew
        self._look = look
        self._lost: Counter[str] = Counter()

    def go_on(self, *, wait: float) -> Iterator[Shard]:
        """Begin what can be begun, and yield what is finished within `wait` seconds."""
        self.closing = self._look(self._crew.documents_done()) or self.closing
        while self.waiting and self._crew.free and not self.closing:
            self._crew.begin(self.waiting.popleft())
        for one in self._crew.finished(wait):
            if isinstance(one, LostShard):
                self._again(one)
            else:
                yield one

    def _again(self, lost: LostShard) -> None:
        group = lost.group
        self._lost[group.name] += 1
        if self._lost[group.name] == ATTEMPTS:
            first, last = group.documents[0].source_id, group.documents[-1].source_id
            raise ShardLost(
                f"the process that made shard {group.name} (documents {first} to {last}) was lost "
                f"{ATTEMPTS} times, at last {lost.how}",
                "Most likely it wanted more memory than there is: lower num_proc, and go on with "
                "--resume. Or one of these documents brings it down: the log may say more.",
            )
        self.waiting.appendleft(group)
