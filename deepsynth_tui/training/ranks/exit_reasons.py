"""Explain why a rank ended."""

from __future__ import annotations

import signal
from dataclasses import replace

from deepsynth_tui.runs.job import Failure
from deepsynth_tui.runs.oom_killer import explain_sigkill

RESUME = "--resume continues from the last checkpoint."


def rank_name(rank: int, node: str | None = None) -> str:
    """Return `Rank 3`, with its node where there are several."""
    return f"Rank {rank} on {node}" if node else f"Rank {rank}"


def with_rank(failure: Failure, rank: int, node: str | None = None) -> Failure:
    """Return the failure with the number of the rank, and its node, in its message."""
    return replace(failure, message=f"{rank_name(rank, node)}: {failure.message}")


def unreported_exit(
    rank: int,
    pid: int,
    exit_code: int,
    *,
    node: str | None = None,
    killed_for_memory: bool | None = None,
) -> Failure:
    """Explain the exit of a rank that sent no last message.

    `exit_code` is -N for signal N. `killed_for_memory` says whether the kernel's OOM killer ended
    the process, None where the kernel does not tell.
    """
    name = rank_name(rank, node)
    if exit_code >= 0:
        message = f"{name} exited with status {exit_code} and gave no reason"
        return Failure("RankEnded", message, f"The last lines of console.log may tell. {RESUME}")
    process, number = f"{name} (pid {pid})", signal.Signals(-exit_code)
    message = f"{process} was killed by {number.name}"
    advice = f"console.log shows what it was doing. {RESUME}"
    if number == signal.SIGKILL:
        message = explain_sigkill(process, killed_for_memory)
    if number == signal.SIGKILL and killed_for_memory:
        advice = (
            "Each rank loads the model: lower training.num_processes, model.max_pixels or "
            f"training.dataloader_num_workers, or close other programs. {RESUME}"
        )
    return Failure("RankKilled", message, advice)
