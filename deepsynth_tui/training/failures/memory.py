"""Out of memory: on the GPU, compared with the estimate, or on the machine."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.runs.job import Failure, JobFailed
from deepsynth_tui.training.environment import EXPANDABLE_SEGMENTS, allocator_options
from deepsynth_tui.training.failures.chain import message_of
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.fixes import Fix
    from deepsynth_tui.estimate.resources import Estimate

MAX_ITEMS_SHOWN = 3
RETRY = "Press `r` in the run's view, or run `train CONFIG --retry`, to apply it in a new run."
FRAGMENTATION = (
    "PyTorch has reserved {unused} that it cannot use for this request: "
    "expandable_segments:True may be enough, which is the default unless the environment has "
    "other options: {options}."
)
ALLOC_FAILED = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "error: out of memory")
"""Messages of libraries that allocate GPU memory outside PyTorch's allocator."""
# c10/cuda/CUDACachingAllocator.cpp formats sizes with two decimals.
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = r"([\d.]+) (bytes|KiB|MiB|GiB)"
_REQUESTED = re.compile(rf"Tried to allocate {_SIZE}")
_CAPACITY = re.compile(rf"total capacity of {_SIZE}")
_FREE = re.compile(rf"of which {_SIZE} is free")
_UNUSED = re.compile(rf"{_SIZE} is reserved by PyTorch but unallocated")


@dataclass(frozen=True, slots=True)
class OutOfMemoryFigures:
    """Figures of PyTorch's out-of-memory message in bytes, None where it lacks them.

    PyTorch requested `requested` while `free` of `capacity` were left. `unused` are reserved by
    PyTorch's allocator but not allocated.
    """

    requested: int | None
    free: int | None
    capacity: int | None
    unused: int | None

    def __str__(self) -> str:
        """Return one sentence; empty if nothing is known."""
        if self.requested is None:
            return ""
        requested = format_bytes(self.requested)
        if self.free is None or self.capacity is None:
            return f"The GPU ran out of memory: {requested} more were requested"
        return (
            f"The GPU ran out of memory: {requested} more were requested, and "
            f"{format_bytes(self.free)} of {format_bytes(self.capacity)} were free"
        )


def parse_out_of_memory(message: str) -> OutOfMemoryFigures:
    """Parse the message of `torch.OutOfMemoryError`."""
    patterns = (_REQUESTED, _FREE, _CAPACITY, _UNUSED)
    return OutOfMemoryFigures(*(_parse_bytes(pattern.search(message)) for pattern in patterns))


def is_gpu_out_of_memory(error: BaseException) -> bool:
    """Return whether PyTorch, or a library that allocates GPU memory itself, ran out of it."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, on any device
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in ALLOC_FAILED)


def out_of_memory_failure(error: BaseException, estimate: Estimate, fix: Fix | None) -> Failure:
    """Describe a GPU out of memory by the largest items of the estimate and what to change.

    `fix` is the cheapest change that makes the run fit, None if there is none.
    """
    figures = parse_out_of_memory(str(error))
    largest = sorted(estimate.breakdown.items(), key=lambda item: -item[1])[:MAX_ITEMS_SHOWN]
    items = ", ".join(
        f"{name.replace('_', ' ')} {format_bytes(size)}" for name, size in largest if size
    )
    advice = f"The run was estimated to need {format_bytes(estimate.needed)}, mostly {items}. "
    if fix is None:
        advice += "No change of settings helps: choose a smaller model or a larger GPU."
    else:
        settings = ", ".join(f"{key}: {json.dumps(value)}" for key, value in fix.changes.items())
        advice += (
            f"The cheapest change that helps: {fix.words} ({settings}), which needs "
            f"{format_bytes(fix.needed)}. {RETRY}"
        )
    options = allocator_options()
    is_fragmented = figures.unused and figures.requested and figures.unused > figures.requested
    if figures.unused and is_fragmented and EXPANDABLE_SEGMENTS not in options:
        unused = format_bytes(figures.unused)
        advice += f" {FRAGMENTATION.format(unused=unused, options=options or 'none')}"
    changes = dict(fix.changes) if fix else {}
    return Failure(type(error).__name__, str(figures) or message_of(error), advice, changes)


@contextlib.contextmanager
def explain_loading_out_of_memory(config: TrainingConfig) -> Iterator[None]:
    """Explain that the GPU ran out of memory in the block, which loads weights.

    Neither the batch nor the pages matter then.

    Raises:
        JobFailed: it did, with what to change.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not is_gpu_out_of_memory(error):
            raise
        raise JobFailed(loading_out_of_memory_failure(error, config)) from error


def loading_out_of_memory_failure(error: BaseException, config: TrainingConfig) -> Failure:
    """Describe that the weights of the model do not fit the GPU."""
    message = str(parse_out_of_memory(str(error))) or message_of(error)
    changes: dict[str, object] = {}
    if config.lora.enabled and not config.quantization.enabled:
        changes = {"quantization.enabled": True, "quantization.bits": 4}
    elif config.quantization.enabled and config.quantization.bits == 8:
        changes = {"quantization.bits": 4}
    if changes:
        settings = ", ".join(f"{key}: {json.dumps(value)}" for key, value in changes.items())
        advice = f"4-bit weights (QLoRA) take about a quarter of the memory: {settings}. {RETRY}"
    else:
        advice = "Choose a smaller model or a larger GPU."
    if config.lora.enabled and not config.training.fsdp:
        advice += (
            " Several GPUs can hold the model together: training.fsdp with training.num_processes."
        )
    return Failure(
        type(error).__name__,
        f"{message}, while the weights of {config.model.name_or_path} were loaded",
        f"End other programs on the GPU (`deepsynth-tui gpus` lists them). {advice}",
        changes,
    )


def explain_out_of_memory(error: BaseException) -> str | None:
    """Return advice for a lack of memory when there is no estimate to compare with."""
    if is_gpu_out_of_memory(error):
        return (
            "Lower training.per_device_train_batch_size (raise gradient_accumulation_steps to "
            "match), turn on training.gradient_checkpointing, lower model.max_pixels, or turn on "
            "quantization. `deepsynth-tui estimate` shows what fits."
        )
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "The machine ran out of main memory: choose a smaller model, batch or page."
    return None


def _parse_bytes(match: re.Match[str] | None) -> int | None:
    return None if match is None else round(float(match[1]) * _UNITS[match[2]])
