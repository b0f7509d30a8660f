"""Why a rank is no more, in words."""

from __future__ import annotations

import signal
from dataclasses import replace

from deepsynth_tui.runs.job import Failure

RESUME = "--resume goes on from the last checkpoint."


def with_rank(failure: Failure, rank: int) -> Failure:
    """The failure with the rank that it happened in."""
    return replace(failure, message=f"Rank {rank}: {failure.message}")


def unreported_exit(
    rank: int, pid: int, code: int, *, killed_for_memory: bool | None = None
) -> Failure:
    """Explain the end of a process that gave no reason; `code` is -N for signal N. The kernel may
    know whether it was killed for lack of main memory; None: it does not."""
    if code >= 0:
        message = f"Rank {rank} ended without a word, with exit code {code}"
        return Failure("RankEnded", message, f"console.log may hold what it said last. {RESUME}")
    number = signal.Signals(-code)
    message = f"Rank {rank} (pid {pid}) was ended by {number.name}"
    advice = f"console.log holds what it was doing. {RESUME}"
    if number == signal.SIGKILL and killed_for_memory:
        message = (
            f"The kernel ended rank {rank} (pid {pid}): the machine or its container ran out of "
            "main memory"
        )
        advice = (
            "Each rank loads the model: lower training.num_processes, model.max_pixels or "
            f"training.dataloader_num_workers, or close other programs. {RESUME}"
        )
    elif number == signal.SIGKILL and killed_for_memory is None:
        advice = (
            "If nobody did that, the kernel did, because the machine ran out of main memory: "
            f"`dmesg` says so. {RESUME}"
        )
    elif number == signal.SIGKILL:
        advice = (
            "Somebody did that: it was not for lack of main memory, of which the kernel keeps "
            f"count. {RESUME}"
        )
    return Failure("RankKilled", message, advice)
