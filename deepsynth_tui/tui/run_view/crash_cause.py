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
_FOR_MEMORY = (
    "The kernel killed it: the machine or its container ran out of main memory{last}. Lower the "
    "batch size, max_pixels or dataloader_num_workers, or close other programs."
)
_NOT_FOR_MEMORY = (
    "It was ended from outside (SIGKILL), or by a reboot; not for lack of main memory, of which "
    "the kernel keeps count."
)
_UNKNOWN = (
    "It was ended from outside (SIGKILL), possibly for lack of main memory{last}: "
    "`dmesg | grep -i kill` says so. Or by a reboot."
)
_RAISED = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt)\b.*")


def likely_cause(
    lines: Sequence[str], *, killed_for_memory: bool | None = None, host_memory: str = ""
) -> str:
    """One sentence or two. `lines` are the last the process printed, oldest first.

    The newest sign counts. A process that printed none was most likely killed; whether
    `killed_for_memory` the kernel may know. `host_memory` is what it held when it last said so.
    """
    for line in reversed(lines):
        for sign, cause in _SIGNS:
            if sign.search(line):
                return cause
        if _RAISED.match(line):
            return f"It ended with {line.strip()}"
    if killed_for_memory is False:
        return _NOT_FOR_MEMORY
    last = f" (this job last held {host_memory} of it)" if host_memory else ""
    return (_FOR_MEMORY if killed_for_memory else _UNKNOWN).format(last=last)
