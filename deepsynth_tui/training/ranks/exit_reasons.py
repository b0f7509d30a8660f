"""Explain why a rank ended."""

from __future__ import annotations

import signal
from dataclasses import replace

from deepsynth_tui.runs.job import Failure

RESUME = "--resume continues from the last checkpoint."


def with_rank(failure: Failure, rank: int) -> Failure:
    """Return the failure with the number of the rank in its message."""
    return replace(failure, message=f"Rank {rank}: {failure.message}")


def unreported_exit(
    rank: int, pid: int, exit_code: int, *, killed_for_memory: bool | None = None
) -> Failure:
    """Explain the exit of a rank that sent no last message.

    `exit_code` is -N for signal N. `killed_for_memory` says whether the kernel's OOM killer ended
    the process, None where the kernel does not tell.
    """
    if exit_code >= 0:
        message = f"Rank {rank} exited with status {exit_code} and gave no reason"
        return Failure("RankEnded", message, f"The last lines of console.log may tell. {RESUME}")
    number = signal.Signals(-exit_code)
    message = f"Rank {rank} (pid {pid}) was ended by {number.name}"
    advice = f"console.log shows what it was doing. {RESUME}"
    if number == signal.SIGKILL and killed_for_memory:
        message = (
            f"The kernel killed rank {rank} (pid {pid}): the machine or its container ran out of "
            "main memory"
        )
        advice = (
            "Each rank loads the model: lower training.num_processes, model.max_pixels or "
            f"training.dataloader_num_workers, or close other programs. {RESUME}"
        )
    elif number == signal.SIGKILL and killed_for_memory is None:
        advice = (
            "If nobody killed it, the kernel did because the machine ran out of main memory: see "
            f"`dmesg`. {RESUME}"
        )
    elif number == signal.SIGKILL:
        advice = (
            "A user or another program killed it: the kernel's counter shows no kill for lack of "
            f"main memory. {RESUME}"
        )
    return Failure("RankKilled", message, advice)
