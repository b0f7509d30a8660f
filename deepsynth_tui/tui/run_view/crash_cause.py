"""The likely cause of a crash, from the last lines the process printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CAUSES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        (
            r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED",
            "The GPU ran out of memory. Lower the batch size or max_pixels, or turn on QLoRA.",
        ),
        (
            r"Cannot allocate memory|\bMemoryError\b|DefaultCPUAllocator|std::bad_alloc",
            "The machine ran out of memory. Lower the batch size, or close other programs.",
        ),
        (
            r"No space left on device",
            "The disk is full. Free some space, then resume the run.",
        ),
        (
            r"Segmentation fault|Fatal Python error|SIGSEGV|Bus error|Aborted|core dumped",
            "Native code (a library or a driver) crashed. The lines below show where.",
        ),
        (
            r"CUDA error|NCCL|cudaError|CUDNN_STATUS",
            "The GPU or its driver failed. See `nvidia-smi` and `dmesg`.",
        ),
        (
            r"ModuleNotFoundError|ImportError",
            "A library is missing or cannot be imported. Run `deepsynth-tui doctor`.",
        ),
    )
)
_OUT_OF_MEMORY = (
    "The kernel killed the process: the machine or its container ran out of main memory{memory}. "
    "Lower the batch size, max_pixels or dataloader_num_workers, or close other programs."
)
_NOT_OUT_OF_MEMORY = (
    "Killed from outside (SIGKILL) or by a reboot; not out of memory (kernel counter unchanged)."
)
_UNKNOWN = (
    "Killed from outside (SIGKILL) or by a reboot, possibly because main memory ran out{memory}. "
    "`dmesg | grep -i kill` shows whether it did."
)
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*")


def likely_cause(
    lines: Sequence[str], *, killed_for_memory: bool | None = None, host_memory: str = ""
) -> str:
    """Return the likely cause of a crash in one or two sentences.

    The last matching line decides. A process that printed none was most likely killed.

    Args:
        lines: Last lines that the process printed, oldest first.
        killed_for_memory: Whether the kernel's OOM killer ended it; None if unknown.
        host_memory: Main memory it used when it last reported that, such as "30.1 GiB".
    """
    for line in reversed(lines):
        for pattern, cause in _CAUSES:
            if pattern.search(line):
                return cause
        if _EXCEPTION.match(line):
            return f"Ended with {line.strip()}"
    if killed_for_memory is False:
        return _NOT_OUT_OF_MEMORY
    memory = f" (this job last used {host_memory})" if host_memory else ""
    return (_OUT_OF_MEMORY if killed_for_memory else _UNKNOWN).format(memory=memory)
