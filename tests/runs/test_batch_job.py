"""What Slurm's answers mean for a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepsynth_tui.runs.batch_job import (
    BatchState,
    Submission,
    judge,
    state_in_slurm,
    without_answer,
)
from deepsynth_tui.runs.liveness import ENDED, REQUEUED, Liveness, ProcessStatus, own_status
from deepsynth_tui.slurm.commands import SlurmError
from deepsynth_tui.slurm.jobs import BatchJob

NOW = 1_000_000.0
SUBMISSION = Submission("4711", NOW)
RUNNING = BatchJob("4711", "RUNNING", "n[1-2]")
PENDING = BatchJob("4711", "PENDING", start="2026-11-30T14:05:00", reason="Priority")


@pytest.fixture
def reported() -> ProcessStatus:
    """The status of a process of the job, on another host."""
    status = replace(own_status(NOW), heartbeat=NOW, phase="training", batch_job="4711")
    return replace(status, host="n1", boot_id="another")


def test_a_job_that_waits() -> None:
    expected = BatchState("queued", "in Slurm 4711 (Priority), expected at 2026-11-30 14:05:00")
    assert judge(SUBMISSION, None, Liveness.STARTING, PENDING, NOW) == expected


def test_a_process_of_an_earlier_job_says_nothing_about_this_one(reported: ProcessStatus) -> None:
    earlier = replace(reported, batch_job="4000")
    state = judge(SUBMISSION, earlier, Liveness.DEAD, RUNNING, NOW)
    assert state == BatchState(
        "starting", "Slurm 4711 has n[1-2]; its process has not reported yet"
    )


@pytest.mark.parametrize("alive", [Liveness.UNRESPONSIVE, Liveness.DEAD])
def test_a_silent_process_whose_job_runs(reported: ProcessStatus, alive: Liveness) -> None:
    state = judge(SUBMISSION, reported, alive, RUNNING, NOW + 700)
    text = "Slurm 4711 has n[1-2]: no heartbeat from n1 for 11 min 40 s"
    assert state == BatchState("unresponsive", text)


def test_a_requeued_job_that_has_nodes_again(reported: ProcessStatus) -> None:
    requeued = replace(reported, phase=REQUEUED)
    assert judge(SUBMISSION, requeued, Liveness.DEAD, RUNNING, NOW).name == "starting"
    assert judge(SUBMISSION, requeued, Liveness.DEAD, PENDING, NOW).name == "queued"


@pytest.mark.parametrize(
    ("phase", "job", "name", "words"),
    [
        (None, None, "lost", "no longer knows job 4711"),
        (None, BatchJob("4711", "TIMEOUT"), "lost", "ended before the run began (TIMEOUT)"),
        ("training", BatchJob("4711", "NODE_FAIL"), "ended", "job 4711 ended: NODE_FAIL"),
        ("training", None, "ended", "no longer knows job 4711"),
        (REQUEUED, BatchJob("4711", "CANCELLED"), "ended", "did not start job 4711 again"),
    ],
)
def test_a_job_that_has_ended(
    reported: ProcessStatus, phase: str | None, job: BatchJob | None, name: str, words: str
) -> None:
    status = None if phase is None else replace(reported, phase=phase)
    state = judge(SUBMISSION, status, Liveness.DEAD, job, NOW)
    assert state.name == name
    assert words in state.message


def test_slurm_does_not_answer(reported: ProcessStatus) -> None:
    error = SlurmError("Slurm: squeue gave no answer within 30 s", "try again")
    text = "Slurm job 4711: Slurm: squeue gave no answer within 30 s"
    assert without_answer(SUBMISSION, None, error) == BatchState("queued", text)
    assert without_answer(SUBMISSION, reported, error) == BatchState("as seen", text)


@pytest.mark.parametrize(
    ("alive", "name"), [(Liveness.UNRESPONSIVE, "unresponsive"), (Liveness.DEAD, "starting")]
)
def test_a_process_of_this_host_is_known_to_be_gone(alive: Liveness, name: str) -> None:
    here = replace(own_status(NOW), heartbeat=NOW, phase="training", batch_job="4711")
    assert judge(SUBMISSION, here, alive, RUNNING, NOW + 700).name == name


@pytest.mark.parametrize(
    ("phase", "alive", "says_all"),
    [
        ("training", Liveness.ALIVE, True),
        ("starting", Liveness.STARTING, True),
        ("training", Liveness.DEAD, False),
        (ENDED, Liveness.DEAD, True),
        (REQUEUED, Liveness.ALIVE, False),
    ],
)
def test_slurm_is_asked_about_a_process_that_does_not_say_all(
    reported: ProcessStatus,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    alive: Liveness,
    says_all: bool,
) -> None:
    monkeypatch.setenv("PATH", "")
    state = state_in_slurm(SUBMISSION, replace(reported, phase=phase), alive, NOW)
    assert (state is None) == says_all
