"""Is the model kept waiting for batches? Told once, when it stays so."""

from __future__ import annotations

from collections import deque
from statistics import median

HIGH_SHARE = 0.2
"""Share of the time at which it is worth telling: a fifth of the run could be saved."""
IGNORED_FIRST = 3
"""Figures that are passed over: workers start, files are read for the first time."""
WINDOW = 10
"""Figures of which the one in the middle must be `HIGH_SHARE`."""
FEWEST_WORKERS = 2


class DataWaitMonitor:
    """Hears each share of the time that was spent waiting, and says once that it is too much.

    `workers` are those of each process, `training.dataloader_num_workers`.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._heard = 0
        self._last: deque[float] = deque(maxlen=WINDOW)
        self._told = False

    def hear(self, share: float) -> str | None:
        """Take a share between 0 and 1; return what to tell the person, if anything, and once."""
        self._heard += 1
        if self._told or self._heard <= IGNORED_FIRST:
            return None
        self._last.append(share)
        if len(self._last) < WINDOW or (usual := median(self._last)) < HIGH_SHARE:
            return None
        self._told = True
        more = max(FEWEST_WORKERS, 2 * self.workers)
        there = f"{self.workers} processes prepare" if self.workers else "None prepares"
        return (
            f"{usual:.0%} of the time goes into waiting for data. {there} batches ahead: set "
            f"training.dataloader_num_workers to {more}, as far as there are processors for them"
        )
