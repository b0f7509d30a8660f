"""Wait for disk space before writing, so that no file of a run is ever cut short."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from deepsynth_tui.estimate.storage import PROCESSOR_BYTES
from deepsynth_tui.runs.control import STOP_NOW
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.estimate.storage import DiskEstimate
    from deepsynth_tui.runs.job import Job

log = logging.getLogger(__name__)

MARGIN = 64 << 20
"""Bytes to leave free for events, the log and other programs."""
POLL_SECONDS = 2.0
"""How often a full disk is checked again."""
FREE_SPACE = "Free some space, for example old runs with their checkpoints, or `hf cache prune`."


def free_bytes(folder: Path) -> int:
    """Return how many bytes this user can still write there."""
    return shutil.disk_usage(folder).free


class DiskSpace:
    """Free space for what a job writes into its run directory."""

    def __init__(
        self,
        job: Job,
        *,
        margin: int = MARGIN,
        poll_seconds: float = POLL_SECONDS,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.job = job
        self.margin = margin
        self._poll_seconds = poll_seconds
        self._free = free

    def wait_for(self, size: int, what: str, *, phase: str) -> bool:
        """Wait until `size` bytes and the margin are free. Return False if asked to stop.

        `what` is the subject of the warning. `phase` is entered again after a pause.
        """
        needed = size + self.margin
        if self._free(self.job.run.path) >= needed:
            return True
        self.job.phase("paused", "until there is room on the disk")
        shortage = self._shortage(needed, what)
        self.job.warning(f"{shortage}. {FREE_SPACE} The run waits, and then continues.")
        log.warning("paused: %s", shortage)
        while self._free(self.job.run.path) < needed:
            if self.job.stop_requested() in STOP_NOW:
                return False
            time.sleep(self._poll_seconds)
        self.job.phase(phase)
        log.info("there is enough disk space again")
        return True

    def require(self, size: int, what: str, *, phase: str) -> None:
        """Do the same as `wait_for`, for files without which the run cannot end.

        Raises:
            TrainingError: the user asked to stop while there was not enough space.
        """
        if not self.wait_for(size, what, phase=phase):
            raise TrainingError(
                f"{self._shortage(size + self.margin, what)}, so it was not written",
                f"{FREE_SPACE} --resume continues from the last checkpoint, which is complete.",
            )

    def refuse_if_short(self, disk: DiskEstimate) -> None:
        """End a run at its start that would fill the disk.

        Raises:
            TrainingError: free space and the checkpoints that will be replaced are less than what
                the run needs at most.
        """
        free = self._free(self.job.run.path) + folder_bytes(self.job.run.checkpoints)
        if free < disk.needed:
            raise TrainingError(
                f"The run needs {format_bytes(disk.needed)} of disk ({disk.checkpoints} "
                f"checkpoints of {format_bytes(disk.checkpoint)}, and {format_bytes(disk.final)} "
                f"for the result), but {self.job.run.path} has {format_bytes(free)} left",
                f"{FREE_SPACE} Or lower training.save_total_limit, or set output.dir to another "
                "disk.",
            )

    def _shortage(self, needed: int, what: str) -> str:
        free = format_bytes(self._free(self.job.run.path))
        return (
            f"{what} needs {format_bytes(needed)} of disk, but {self.job.run.path} has {free} left"
        )


def checkpoint_bytes(model: torch.nn.Module, optimizer: Any) -> int:
    """Return the size of a checkpoint: `result_bytes` and the state of the optimizer."""
    states = (value for state in optimizer.state.values() for value in state.values())
    return result_bytes(model) + sum(v.nbytes for v in states if isinstance(v, torch.Tensor))


def result_bytes(model: torch.nn.Module) -> int:
    """Return the size of the adapter, or the whole model without one, with its processor."""
    return PROCESSOR_BYTES + sum(parameter.nbytes for parameter in _saved_parameters(model))


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; 0 if it does not exist."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _saved_parameters(model: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    saves_all = not isinstance(model, PeftModel)
    return (p for p in model.parameters() if p.requires_grad or saves_all)
