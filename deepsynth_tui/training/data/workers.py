"""Processes that prepare batches ahead of training: how many, and how they end."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import set_seed

from deepsynth_tui.machine.main_memory import available_memory
from deepsynth_tui.training.data.count_rows import available_cpus
from deepsynth_tui.training.features.batch import PageBatch
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingSettings

KEY = "training.dataloader_num_workers"
MAX_WORKERS = 8
PREFETCH_FACTOR = 2
"""Batches that each worker keeps ready at least (PyTorch's default)."""
SHARE = 0.5
"""Workers that are chosen here use at most this share of what is free."""
SHARED_MEMORY = Path("/dev/shm")
"""Where workers put their batches (torch.multiprocessing); Docker gives a container 64 MB of it."""
# Memory of a forked worker. One that ran the processor of DeepSeek-OCR-2 on pages of 1240 x 1754
# had 147 MiB between two pages (PSS), and has two copies of the pixels of a page while it works.
WORKER_BYTES = 256 * 2**20
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Free bytes of main memory and of shared memory; None where that is not known."""

    main: int | None
    shared: int | None

    @classmethod
    def read(cls) -> FreeMemory:
        """Read what is free on this machine now."""
        shared = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None
        return cls(available_memory(), shared)


@dataclass(frozen=True, slots=True)
class LoaderWorkers:
    """The workers of a rank: their number, and the batches that each keeps ready.

    `warning` says what does not suffice for as many as there would be.
    """

    count: int = 0
    prefetch_factor: int | None = None
    warning: str | None = None


NO_WORKERS = LoaderWorkers()


def choose_workers(
    training: TrainingSettings,
    *,
    on_gpu: bool,
    batch_bytes: Callable[[], int],
    batches: int,
    ranks: int | None = None,
    cpus: int | None = None,
    free: FreeMemory | None = None,
) -> LoaderWorkers:
    """Return the workers of a rank.

    As many as `training.dataloader_num_workers` says, else one for each CPU of the rank, at most
    `MAX_WORKERS`; on a CPU none, because they would take its cores from the model. Together they
    keep the batches of an optimizer step ready, for which there must be memory.

    Args:
        training: The settings of the training loop.
        on_gpu: Whether the model is on a GPU.
        batch_bytes: Returns the bytes of the largest batch; called only if they matter.
        batches: Batches of an epoch.
        ranks: Ranks on this machine, by default all of the run.
        cpus: CPUs that these ranks may use, by default those of this process.
        free: Free memory, by default of this machine.
    """
    asked = training.dataloader_num_workers
    ranks = ranks or training.num_processes
    usual = asked if asked is not None else _usual_count(cpus or available_cpus(), ranks, on_gpu)
    usual = min(usual, batches)
    if not usual:
        return NO_WORKERS
    size, free = batch_bytes(), free or FreeMemory.read()
    accumulation = training.gradient_accumulation_steps
    shortage: str | None = None
    for count in range(usual, 0, -1):
        factor = max(PREFETCH_FACTOR, math.ceil(accumulation / count))
        # Those that workers keep ready, those of a step, and the one that accelerate looks ahead.
        shared = ranks * size * (factor * count + accumulation + 1)
        shortage = _shortage(shared, shared + ranks * count * WORKER_BYTES, free)
        if shortage is None or asked is not None:
            return LoaderWorkers(count, factor, _warning(usual, count, shortage, size))
    return LoaderWorkers(warning=_warning(usual, 0, shortage, size))


def _usual_count(cpus: int, ranks: int, on_gpu: bool) -> int:
    return min(MAX_WORKERS, max(1, cpus // ranks)) if on_gpu else 0


def _shortage(shared: int, main: int, free: FreeMemory) -> str | None:
    """Return which memory does not suffice for so many bytes; None if both do."""
    if free.shared is not None and shared > SHARE * free.shared:
        return (
            f"{format_bytes(free.shared)} of shared memory ({SHARED_MEMORY}; in a container, "
            "--shm-size)"
        )
    if free.main is not None and main > SHARE * free.main:
        return f"{format_bytes(free.main)} of main memory"
    return None


def _warning(usual: int, count: int, shortage: str | None, size: int) -> str | None:
    batch = f"a batch takes up to {format_bytes(size)}"
    if count == usual:
        return shortage and (
            f"{KEY} is {usual}, and {batch}: there are only {shortage} free. If the run is killed, "
            "lower it"
        )
    fewer = f"{count} worker processes prepare" if count else "No worker process prepares"
    return f"{fewer} batches, instead of {usual}: {batch}, and there are only {shortage} free"


def start_worker(worker: int, *, parent: int) -> None:
    """Set up a worker process of the process `parent`: it ends with it, and is seeded.

    PyTorch's own check for the parent takes up to 5 seconds, in which the worker would keep open
    what it has inherited.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it had ended before
            os.kill(os.getpid(), signal.SIGKILL)
    set_seed(torch.initial_seed() % 2**32)


def worker_start() -> Callable[[int], None]:
    """Return the `worker_init_fn` of a data loader of this process."""
    return partial(start_worker, parent=os.getpid())


def tensor_bytes(batch: Mapping[str, Any]) -> int:
    """Return the bytes of all tensors of a batch, those of its pages included."""
    sized = (torch.Tensor, PageBatch)
    return sum(value.nbytes for value in batch.values() if isinstance(value, sized))
