"""The folder of a run: the paths in it, and the errors of those who look for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs.errors import RunError


class RunDirectoryError(RunError):
    """A run directory could not be created or found."""


class RunExists(RunDirectoryError):
    """The requested folder is not empty."""


class RunNotWritable(RunDirectoryError):
    """The requested folder is not writable."""


class RunNotFound(RunDirectoryError):
    """No run, or more than one, matches this reference. `nearest` are the most similar ids."""

    def __init__(self, ref: str, nearest: Sequence[str], message: str = "") -> None:
        advice = f"Did you mean {', '.join(nearest)}?" if nearest else "`runs` lists all runs"
        super().__init__(message or f"There is no run {ref!r}", advice)
        self.ref = ref
        self.nearest = tuple(nearest)


class RunUnreadable(RunDirectoryError):
    """The run exists but cannot be read. `reason` says why, without the name of the run."""

    def __init__(self, run_id: str, reason: str, path: Path) -> None:
        super().__init__(f"{run_id} cannot be read: {reason}", f"Look at {path}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder of one run, and the paths in it."""

    id: str
    path: Path

    @property
    def identity(self) -> Path:
        """What never changes about the run; see `Identity`."""
        return self.path / "run.json"

    @property
    def config(self) -> Path:
        """The configuration, frozen when the run was created."""
        return self.path / "config.yaml"

    @property
    def events(self) -> Path:
        """The event log, append-only JSON lines; see `events`."""
        return self.path / "events.jsonl"

    @property
    def folded(self) -> Path:
        """The state after most of a long event log; see `folded_log`."""
        return self.path / "folded.json"

    @property
    def overview(self) -> Path:
        """What a list shows of the event log of an ended run; see `log_overview`."""
        return self.path / "overview.json"

    @property
    def console(self) -> Path:
        """The raw output of the job and its children; read it with `ConsoleTail`."""
        return self.path / "console.log"

    @property
    def status(self) -> Path:
        """Process and heartbeat, replaced every few seconds; see `ProcessStatus`."""
        return self.path / "status.json"

    @property
    def lock(self) -> Path:
        """The file that the job holds a lock on while it lives; see `lock`."""
        return self.path / "lock"

    @property
    def queued(self) -> Path:
        """Exists while the run waits in the queue; see `queue`."""
        return self.path / "queued.json"

    @property
    def dequeued(self) -> Path:
        """What `queued` held when the run was started from the queue."""
        return self.path / "dequeued.json"

    @property
    def batch_script(self) -> Path:
        """The batch script of a run that Slurm starts; `launch` submits it."""
        return self.path / "job.sbatch"

    @property
    def batch_job(self) -> Path:
        """The batch job that was submitted last; see `batch_job`."""
        return self.path / "slurm.json"

    @property
    def estimate(self) -> Path:
        """The estimate that the job wrote before its first step, as `estimate --json` prints it."""
        return self.path / "estimate.json"

    @property
    def measured(self) -> Path:
        """Predicted and measured figures; see `estimate_vs_measured`."""
        return self.path / "measured.json"

    @property
    def control(self) -> Path:
        """Requests to the job; see `control`."""
        return self.path / "control"

    @property
    def checkpoints(self) -> Path:
        """Training checkpoints."""
        return self.path / "checkpoints"

    @property
    def archived(self) -> Path:
        """The file that keeps the run out of the list; see `archive`."""
        return self.path / "archived"

    @property
    def adapter(self) -> Path:
        """The adapter that a training run produces."""
        return self.path / "adapter"

    @property
    def dataset(self) -> Path:
        """The dataset that a dataset run produces."""
        return self.path / "dataset"
