"""The jobs of this user as Slurm knows them: one question for all of them, kept for seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from deepsynth_tui.slurm import commands

FORMAT = "%i|%T|%N|%S|%r"
"""squeue(1): id, state, nodes, (expected) start, reason. The reason may contain any character."""
NEVER_STARTS = {
    "PartitionNodeLimit": "launch.nodes is more than the partition has or allows",
    "PartitionTimeLimit": "launch.time is more than the partition allows",
    "PartitionConfig": "the partition does not allow what `launch` asks for",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition is inactive",
    "BadConstraints": "no node has what launch.constraint or launch.sbatch_options ask for",
    "InvalidAccount": "launch.account is not valid",
    "InvalidQOS": "the QOS is not valid",
    "JobHeldUser": "`scontrol release` lets it start",
    "JobHeldAdmin": "an administrator holds it",
    "launch failed requeued held": "a node could not start it; `scontrol release` tries again",
}
"""Reasons (squeue(1), "JOB REASON CODES") for which a job waits until somebody does something."""
KEEP_SECONDS = 3.0
"""How long an answer is kept: lists ask for each run, every few seconds."""
KEEP_ERROR_SECONDS = 30.0
"""The same where Slurm did not answer: waiting for it must not stop a list."""
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"})
WORKING = frozenset(
    {"CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"}
    | {"COMPLETING"}
)
"""States of a job that has nodes; any other state is an end."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A job. `state` is Slurm's word; `start` is when it starts or started, empty if unknown."""

    id: str
    state: str
    nodes: str = ""
    start: str = ""
    reason: str = ""

    @property
    def why(self) -> str:
        """Why it waits, with what to do if it waits for ever."""
        word = self.reason or self.state
        return f"{word}: {hint}" if (hint := NEVER_STARTS.get(word)) else word

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for nodes, for the first time or again."""
        return self.state in WAITING

    @property
    def is_working(self) -> bool:
        """Whether it has nodes."""
        return self.state in WORKING


def parse(text: str) -> dict[str, BatchJob]:
    """Return the jobs in the output of `squeue --format=FORMAT` by their id.

    Lines of another form, such as a message of the day, are not jobs.
    """
    jobs: dict[str, BatchJob] = {}
    for line in text.splitlines():
        parts = line.strip().split("|", 4)
        if len(parts) == 5 and parts[0][:1].isdigit():
            jobs[parts[0]] = BatchJob(*("" if part in ("N/A", "None") else part for part in parts))
    return jobs


class JobTable:
    """The answers of `squeue`, at most `KEEP_SECONDS` old. May be asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read = float("-inf")
        self._jobs: Mapping[str, BatchJob] = {}
        self._error: commands.SlurmError | None = None

    def find(self, job_id: str) -> BatchJob | None:
        """Return a job, None if Slurm does not know it (any more).

        Raises:
            SlurmError: Slurm does not answer.
        """
        with self._lock:
            keep = KEEP_SECONDS if self._error is None else KEEP_ERROR_SECONDS
            if time.monotonic() - self._read > keep:
                self._refresh()
            if self._error is not None:
                raise self._error
            return self._jobs.get(job_id)

    def forget(self) -> None:
        """Ask Slurm again at the next question: a job has been submitted or cancelled."""
        with self._lock:
            self._read = float("-inf")

    def _refresh(self) -> None:
        try:
            self._jobs, self._error = parse(commands.query(FORMAT)), None
        except commands.SlurmError as error:
            self._error = error
        self._read = time.monotonic()


TABLE = JobTable()
