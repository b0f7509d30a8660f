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
    assert "ran out of main memory" in unreported_exit(1, 7, -9, killed_for_memory=True).message
    assert "If nobody killed it" in unreported_exit(1, 7, -9).advice
    by_a_user = unreported_exit(1, 7, -9, killed_for_memory=False)
    assert by_a_user.message == "Rank 1 (pid 7) was ended by SIGKILL"
    assert "A user or another program killed it" in by_a_user.advice
    assert "console.log" in unreported_exit(1, 7, -11).advice
