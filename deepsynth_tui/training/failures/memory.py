"""Memory that ran out: of the GPU, told beside the estimate, or of the machine."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.failures.chain import said

if TYPE_CHECKING:
    from deepsynth_tui.estimate.closed_form import Estimate
    from deepsynth_tui.estimate.fixes import Fix

SHOWN_ITEMS = 3
RETRY = "`r` in the run's view, or `train CONFIG --retry`, makes it and goes on in a new run."
FRAGMENTS = (
    "PyTorch holds {unused} that it cannot use for it: PYTORCH_ALLOC_CONF=expandable_segments:True "
    "in the environment may be enough."
)
ALLOC_FAILED = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "error: out of memory")
"""What libraries beside PyTorch's allocator say when a GPU has no room for them."""
# c10/cuda/CUDACachingAllocator.cpp formats sizes with two decimals.
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = r"([\d.]+) (bytes|KiB|MiB|GiB)"
_REQUESTED = re.compile(rf"Tried to allocate {_SIZE}")
_CAPACITY = re.compile(rf"total capacity of {_SIZE}")
_FREE = re.compile(rf"of which {_SIZE} is free")
_UNUSED = re.compile(rf"{_SIZE} is reserved by PyTorch but unallocated")


@dataclass(frozen=True, slots=True)
class Shortage:
    """What PyTorch says when a GPU runs out, in bytes, None where it does not say.

    `requested` were asked for and `free` were left of `capacity`; `unused` are held by PyTorch's
    allocator without being in use.
    """

    requested: int | None
    free: int | None
    capacity: int | None
    unused: int | None

    def __str__(self) -> str:
        """One sentence; "" where nothing is known."""
        if self.requested is None:
            return ""
        told = f"The GPU ran out of memory: {_size(self.requested)} more were asked for"
        if self.free is not None and self.capacity is not None:
            told += f", and of its {_size(self.capacity)} {_size(self.free)} were free"
        return told


def shortage(message: str) -> Shortage:
    """Read the figures off the message of torch.OutOfMemoryError."""
    found = (_bytes(sign.search(message)) for sign in (_REQUESTED, _FREE, _CAPACITY, _UNUSED))
    return Shortage(*found)


def ran_out(error: BaseException) -> bool:
    """Whether it was the GPU's memory that ran out: PyTorch's, or a library's beside it."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, on any device
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in ALLOC_FAILED)


def out_of_memory(error: BaseException, estimate: Estimate, remedy: Fix | None) -> Failure:
    """Explain that the GPU's memory ran out by what takes most of it, and say what to change.

    `remedy` is the cheapest change that helps, None where there is none.
    """
    found = shortage(str(error))
    largest = sorted(estimate.breakdown.items(), key=lambda item: -item[1])[:SHOWN_ITEMS]
    takes = ", ".join(f"{name.replace('_', ' ')} {_size(size)}" for name, size in largest if size)
    advice = f"The run was estimated to need {_size(estimate.needed)}, most of it {takes}. "
    if remedy is None:
        advice += "No change of settings helps: choose a smaller model or a larger GPU."
    else:
        changes = ", ".join(f"{key}: {json.dumps(to)}" for key, to in remedy.changes.items())
        advice += (
            f"The cheapest change that helps: {remedy.words} ({changes}), which needs "
            f"{_size(remedy.needed)}. {RETRY}"
        )
    if found.unused and found.requested and found.unused > found.requested:
        advice += f" {FRAGMENTS.format(unused=_size(found.unused))}"
    changes = dict(remedy.changes) if remedy else {}
    return Failure(type(error).__name__, str(found) or said(error), advice, changes)


def advice(error: BaseException) -> str | None:
    """What to do about a lack of memory, where no estimate helps to say it better."""
    if ran_out(error):
        return (
            "Lower training.per_device_train_batch_size (raise gradient_accumulation_steps to "
            "match), turn on training.gradient_checkpointing, lower model.max_pixels, or turn on "
            "quantization. `deepsynth-tui estimate` shows what fits."
        )
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "The machine ran out of main memory: choose a smaller model, batch or page."
    return None


def _bytes(found: re.Match[str] | None) -> int | None:
    return None if found is None else round(float(found[1]) * _UNITS[found[2]])


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**29 else f"{size / 2**20:.0f} MB"
