"""Room on the disk: a run waits for it before it writes, so that nothing is ever half written."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.estimate.storage import PROCESSOR_BYTES
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.estimate.storage import DiskEstimate
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.ranks.rank_group import RankGroup

log = logging.getLogger(__name__)

MARGIN = 64 << 20
"""Bytes that are left free beside what is written: for events, the log, and other programs."""
LOOK = 2.0
"""Seconds between two looks at a disk that is too full."""
FREE = "Free some, for example old runs with their checkpoints, or `hf cache prune`."


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write there."""
    return shutil.disk_usage(folder).free


class DiskSpace:
    """Room for what a job writes into its run directory."""

    def __init__(
        self,
        job: Job,
        *,
        margin: int = MARGIN,
        look: float = LOOK,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.job = job
        self.margin = margin
        self._look = look
        self._free = free

    def await_for(self, size: int, what: str, *, phase: str) -> bool:
        """Return True once `size` bytes are free, after a pause if need be; False when the person
        asks to stop meanwhile. `phase` is entered again after a pause."""
        needed = size + self.margin
        if self._free(self.job.run.path) >= needed:
            return True
        self.job.phase("paused", "until there is room on the disk")
        self.job.warning(f"{self._shortage(needed, what)}. {FREE} The run waits, and then goes on.")
        log.warning("paused: %s", self._shortage(needed, what))
        while self._free(self.job.run.path) < needed:
            if self.job.stop_requested() == "stop":
                return False
            time.sleep(self._look)
        self.job.phase(phase)
        log.info("there is room again")
        return True

    def require(self, size: int, what: str, *, phase: str) -> None:
        """As `await_for`, but for what the run must not end without.

        Raises:
            TrainingError: the person asked to stop, and there is no room.
        """
        if not self.await_for(size, what, phase=phase):
            raise TrainingError(
                f"{self._shortage(size + self.margin, what)}, so it was not written",
                f"{FREE} The last checkpoint is whole: --resume goes on from it.",
            )

    def refuse_if_short(self, disk: DiskEstimate) -> None:
        """End a run that would run out of disk before it begins.

        Raises:
            TrainingError: what is free, with the checkpoints that are there already, is less than
                the run takes at its fullest.
        """
        there = folder_bytes(self.job.run.checkpoints)
        free = self._free(self.job.run.path) + there
        if free < disk.needed:
            raise TrainingError(
                f"The run takes {_size(disk.needed)} of disk ({disk.checkpoints} checkpoints of "
                f"{_size(disk.checkpoint)}, and {_size(disk.final)} in the end), but "
                f"{self.job.run.path} has {_size(free)} left",
                f"{FREE} Or lower training.save_total_limit, or set output.dir to another disk.",
            )

    def _shortage(self, needed: int, what: str) -> str:
        free = self._free(self.job.run.path)
        return (
            f"{what} needs {_size(needed)} of disk, and {self.job.run.path} has {_size(free)} left"
        )


class DiskSpaceCallback(TrainerCallback):
    """Pauses the loop after a step while the disk has no room for what comes next.

    To be the last of the callbacks, which decide whether this step is saved. The first process
    looks, the others wait for it.
    """

    def __init__(self, room: DiskSpace, peers: RankGroup) -> None:
        self.room = room
        self.peers = peers
        self.stopped = False

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: torch.nn.Module,
        optimizer: Any,
        **_: Any,
    ) -> None:
        """Without room, a step that was to be saved is not, and the loop ends."""
        lacking = 0
        if self.peers.first:
            size = checkpoint_bytes(model, optimizer) if control.should_save else 0
            what = f"The checkpoint of step {state.global_step}" if size else "The run"
            lacking = int(not self.room.await_for(size, what, phase="training"))
        if self.peers.total(lacking):
            self.stopped = state.global_step < state.max_steps
            control.should_training_stop = True
            control.should_save = control.should_evaluate = False


def checkpoint_bytes(model: torch.nn.Module, optimizer: Any) -> int:
    """Bytes of a checkpoint: what `trainable_memory` says, and the state of the optimizer."""
    states = (value for state in optimizer.state.values() for value in state.values())
    return trained_bytes(model) + sum(v.nbytes for v in states if isinstance(v, torch.Tensor))


def trained_bytes(model: torch.nn.Module) -> int:
    """Bytes of the adapter, or of the whole model where there is none, with its processor."""
    return PROCESSOR_BYTES + sum(value.nbytes for value in _saved(model))


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder; 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _saved(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    whole = not isinstance(model, PeftModel)
    return (value for value in model.parameters() if value.requires_grad or whole)


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 1 << 29 else f"{size / 2**20:.0f} MB"
