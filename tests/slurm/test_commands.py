"""What the commands of Slurm print, read without a cluster."""

from __future__ import annotations

import pytest

from deepsynth_tui.slurm.commands import refusal
from deepsynth_tui.slurm.jobs import BatchJob, parse


@pytest.mark.parametrize(
    ("stderr", "message", "key"),
    [
        (
            "sbatch: error: invalid partition specified: gpu\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
            "Slurm: sbatch failed: invalid partition specified: gpu; Batch job submission failed: "
            "Invalid partition name specified",
            "launch.partition",
        ),
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition "
            "combination specified",
            "Slurm: sbatch failed: Batch job submission failed: Invalid account or "
            "account/partition combination specified",
            "launch.account",
        ),
        (
            "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing "
            "or exceeds some limit)",
            "Slurm: sbatch failed: Batch job submission failed: Requested time limit is invalid "
            "(missing or exceeds some limit)",
            "launch.time",
        ),
        (
            "sbatch: error: Unable to contact slurm controller (connect failure)",
            "Slurm: sbatch failed: Unable to contact slurm controller (connect failure)",
            "",
        ),
        ("", "Slurm: sbatch failed: it gave no reason", ""),
    ],
)
def test_refusal(stderr: str, message: str, key: str) -> None:
    error = refusal("sbatch", stderr)
    assert (error.message, error.key) == (message, key)
    assert error.advice


def test_parse_squeue() -> None:
    text = (
        "slurm: welcome | to | the | cluster | today\n"
        "4711|PENDING||2026-11-30T14:05:00|Priority\n"
        "4712|RUNNING|n[1-2]|2026-11-30T01:00:00|None\n"
        "4713|PENDING||N/A|launch failed requeued held\n"
        "4714_7|PENDING||N/A|(a|b)\n"
    )
    assert parse(text) == {
        "4711": BatchJob("4711", "PENDING", "", "2026-11-30T14:05:00", "Priority"),
        "4712": BatchJob("4712", "RUNNING", "n[1-2]", "2026-11-30T01:00:00"),
        "4713": BatchJob("4713", "PENDING", reason="launch failed requeued held"),
        "4714_7": BatchJob("4714_7", "PENDING", reason="(a|b)"),
    }


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("Priority", "Priority"),
        ("", "PENDING"),
        ("JobHeldUser", "JobHeldUser: `scontrol release` lets it start"),
    ],
)
def test_why_a_job_waits(reason: str, why: str) -> None:
    assert BatchJob("1", "PENDING", reason=reason).why == why
