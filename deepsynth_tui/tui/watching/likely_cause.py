"""Why a process may have ended without a word, judged by the last lines it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SIGNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
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
            "Native code crashed: a library or driver. The lines below name where it stood.",
        ),
        (
            r"CUDA error|NCCL|cudaError|CUDNN_STATUS",
            "The GPU or its driver failed. `nvidia-smi` and `dmesg` may say more.",
        ),
        (
            r"ModuleNotFoundError|ImportError",
            "A library is missing or does not load. `deepsynth-tui doctor` lists them.",
        ),
    )
)
_KILLED = (
    "It was ended from outside, most often by the system when memory ran out "
    "(`dmesg | grep -i kill` says so), or by a reboot."
)
_RAISED = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*")


def likely_cause(lines: Sequence[str]) -> str:
    """One sentence or two. `lines` are the last the process printed, oldest first.

    The newest sign counts. A process that printed none was most likely killed.
    """
    for line in reversed(lines):
        for sign, cause in _SIGNS:
            if sign.search(line):
                return cause
        if _RAISED.match(line):
            return f"It ended with {line.strip()}"
    return _KILLED
