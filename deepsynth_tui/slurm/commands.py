"""Run a command of Slurm, and say plainly why it failed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deepsynth_tui.errors import UserError

TIMEOUT_SECONDS = 30.0
"""More than the 10 s (MessageTimeout) after which the commands of Slurm give up themselves."""
QUERY_SECONDS = 5.0
"""Shorter, for a question that lists ask all the time."""
BATCH_JOB_VARIABLE = "DEEPSYNTH_BATCH_JOB"
"""Environment variable with the id of the batch job, set by the script of a run."""
NODE_PYTHON_VARIABLE = "DEEPSYNTH_NODE_PYTHON"
"""Environment variable with what `srun` runs as Python on each node, quoted for a shell: options of
srun or a command before it. Set by the script of a run in a container."""

_ADVICE = {
    "invalid partition": ("`sinfo -s` lists the partitions", "launch.partition"),
    "invalid account": (
        "`sacctmgr show associations user=$USER` lists your accounts",
        "launch.account",
    ),
    "time limit": ("`sinfo -s` shows the limit of each partition", "launch.time"),
    "invalid feature": ("`sinfo -o '%P %f'` lists the features of the nodes", "launch.constraint"),
    "gres": (
        "`sinfo -o '%P %G'` lists the GPUs of the nodes; launch.gpus_per_node: 0 trains on the CPU",
        "launch.gpus_per_node",
    ),
    "node count": ("`sinfo -s` shows how many nodes a partition has", "launch.nodes"),
    "node configuration": (
        "`sinfo -N -l` shows what the nodes have",
        "launch.gpus_per_node",
    ),
    "unrecognized option": ("`sbatch --help` lists its options", "launch.sbatch_options"),
    "unable to contact slurm controller": ("Slurm is down: try again later", ""),
    "fatal:": ("This machine may not belong to the cluster: use a login node", ""),
}
"""What to do about an error message that contains the text, and the setting that it is about."""


class SlurmError(UserError):
    """A command of Slurm failed or is not installed."""


def submit(script: Path, arguments: Sequence[str]) -> str:
    """Submit a batch script with its arguments and return the id of the job.

    Raises:
        SlurmError: Slurm refuses the job, does not answer, or is not installed here.
    """
    return _run("sbatch", "--parsable", str(script), *arguments).strip().partition(";")[0]


def cancel(job_id: str) -> None:
    """Cancel a job: SIGTERM, and SIGKILL after the KillWait of the cluster. Raises SlurmError."""
    _run("scancel", job_id)


def interrupt(job_id: str) -> None:
    """Send SIGINT to the batch script of a running job alone. Raises SlurmError."""
    _run("scancel", "--batch", "--signal=INT", job_id)


def requeue(job_id: str) -> None:
    """End a running job and put it into the queue of Slurm again. Raises SlurmError."""
    _run("scontrol", "requeue", job_id)


def query(states_of: str) -> str:
    """Return what `squeue` says about the jobs of this user in the form of `jobs.FORMAT`.

    Jobs that ended a few minutes ago (MinJobAge of the cluster) are among them. Raises SlurmError.
    """
    options = ("--noheader", f"--user={os.getuid()}", "--states=all", f"--format={states_of}")
    return _run("squeue", *options, timeout=QUERY_SECONDS)


def batch_job() -> str | None:
    """Return the id of the batch job that this process runs in, None outside of one."""
    return os.environ.get(BATCH_JOB_VARIABLE) or None


def node_name() -> str:
    """Return the name that Slurm has for this node, else that of the host."""
    return os.environ.get("SLURMD_NODENAME") or os.uname().nodename


def refusal(command: str, stderr: str) -> SlurmError:
    """Return the error for what a command printed on stderr."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    reasons = [line.removeprefix(f"{command}: ").removeprefix("error: ") for line in lines]
    message = "; ".join(reasons) or "it gave no reason"
    advice, key = next(
        (known for text, known in _ADVICE.items() if text in message.lower()),
        (f"Run `{command}` by hand to see more", ""),
    )
    return SlurmError(f"Slurm: {command} failed: {message}", advice, key)


def _run(command: str, *arguments: str, timeout: float = TIMEOUT_SECONDS) -> str:
    try:
        done = subprocess.run(
            [command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise SlurmError(
            f"{command} is not installed on this machine",
            "Run this command on a login node of the cluster, or set launch.target to local",
            "launch.target",
        ) from error
    except OSError as error:
        raise SlurmError(
            f"{command} cannot be started: {error.strerror}", "Check its installation"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(
            f"Slurm: {command} gave no answer within {timeout:g} s",
            "`scontrol ping` says whether Slurm is up",
        ) from error
    if done.returncode:
        raise refusal(command, done.stderr)
    return done.stdout
