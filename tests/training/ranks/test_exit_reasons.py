"""Failures name their rank, and a rank that vanished is explained by its exit code."""

from __future__ import annotations

from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.ranks.exit_reasons import unreported_exit, with_rank
from deepsynth_tui.training.ranks.protocol import FailedMessage, decode, encode


def test_a_failure_names_its_rank_and_keeps_its_changes() -> None:
    failure = Failure("OutOfMemoryError", "full", "lower it", {"training.optim": "adamw_8bit"})
    assert with_rank(failure, 1) == Failure(
        "OutOfMemoryError", "Rank 1: full", "lower it", {"training.optim": "adamw_8bit"}
    )
    assert decode(encode(FailedMessage(failure, False))) == FailedMessage(failure, False)


def test_a_killed_rank_is_explained_by_what_the_kernel_tells() -> None:
    out_of_memory = unreported_exit(1, 7, -9, killed_for_memory=True)
    assert out_of_memory.message.startswith("The kernel killed rank 1 (pid 7): ")
    assert "training.num_processes" in out_of_memory.advice
    assert "dmesg" in unreported_exit(1, 7, -9).message
    killed = unreported_exit(1, 7, -9, killed_for_memory=False)
    assert killed.message.startswith("Rank 1 (pid 7) was killed by SIGKILL, not out of memory")
    crashed = unreported_exit(1, 7, -11)
    assert crashed.message == "Rank 1 (pid 7) was killed by SIGSEGV"
    assert "console.log" in crashed.advice
