"""The end of a batch job that Slurm takes the nodes from: at its time limit, or for another job."""

from __future__ import annotations

import signal
import sys
from typing import Protocol

from deepsynth_tui.slurm import commands

AT_TIME_LIMIT = signal.SIGUSR1
"""The signal before the time limit: `sbatch --signal`. Any other end of the job is Slurm's own."""


class Evictable(Protocol):
    """Its heartbeat, which takes the request to end."""

    def evict(self) -> None: ...


class Eviction:
    """Receives the signals of Slurm, and has the job requeued if that is up to the job itself."""

    def __init__(self, job_id: str, heartbeat: Evictable) -> None:
        self._job_id = job_id
        self._heartbeat = heartbeat
        self._at_time_limit = False
        self._is_demanded = False

    def receive(self, number: int) -> None:
        """Handle a signal. Takes no lock."""
        self._at_time_limit = self._at_time_limit or number == AT_TIME_LIMIT
        self._heartbeat.evict()

    def demand(self) -> None:
        """Have the job requeued for a reason of its own."""
        self._is_demanded = True

    def is_without_progress(self, kinds: set[str]) -> bool:
        """Whether the time limit came before the first checkpoint: it would again and again.

        `kinds` are those of the events that this process has written.
        """
        return self._at_time_limit and "checkpoint" not in kinds

    def requeue(self) -> None:
        """Put the job into the queue of Slurm again, unless Slurm does so itself (preemption, or a
        node that it found dead)."""
        if not self._at_time_limit and not self._is_demanded:
            return
        try:
            commands.requeue(self._job_id)
        except commands.SlurmError as error:
            sys.stderr.write(f"{error}\n")
