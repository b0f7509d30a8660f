"""Warn once when training keeps waiting for data."""

from __future__ import annotations

from collections import deque
from statistics import median

HIGH_SHARE = 0.2
"""Share of the time that is worth a warning: a fifth of the run could be saved."""
IGNORED_FIRST = 3
"""Measurements to ignore: workers start, and files are read for the first time."""
WINDOW = 10
"""Number of measurements whose median must reach `HIGH_SHARE`."""
MIN_WORKERS = 2


class DataWaitMonitor:
    """Collects the share of time spent waiting for data, and returns a warning once.

    `num_workers` is `training.dataloader_num_workers`, per process.
    """

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers
        self._count = 0
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._has_warned = False

    def update(self, share: float) -> str | None:
        """Add a share between 0 and 1; return the warning to show, if any."""
        self._count += 1
        if self._has_warned or self._count <= IGNORED_FIRST:
            return None
        self._recent.append(share)
        if len(self._recent) < WINDOW or (usual := median(self._recent)) < HIGH_SHARE:
            return None
        self._has_warned = True
        more = max(MIN_WORKERS, 2 * self.num_workers)
        present = (
            f"{self.num_workers} worker processes prepare batches"
            if self.num_workers
            else "No worker process prepares batches"
        )
        return (
            f"Training spends {usual:.0%} of the time waiting for data. {present}: set "
            f"training.dataloader_num_workers to {more}, if there are that many free CPU cores"
        )
