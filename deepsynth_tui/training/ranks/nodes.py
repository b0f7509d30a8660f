"""The process that owns a run on several nodes of a batch job.

`srun` starts torchrun's agent on each of them (`ranks.node`). Every rank connects to this process,
which records the one stream of events.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import threading
from typing import TYPE_CHECKING

from deepsynth_tui.runs.job import Job, StartAgain
from deepsynth_tui.slurm import commands
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.ranks.connections import (
    VAIN_RESTARTS,
    Connections,
    agents,
    explain_exit,
)
from deepsynth_tui.training.ranks.meeting import NODE_MODULE, Meeting
from deepsynth_tui.training.ranks.record import NodeLost, record_reports

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

SRUN = ("srun", "--ntasks-per-node=1", "--kill-on-bad-exit=1", "--unbuffered")


def run_nodes(job: Job, config: TrainingConfig, *, resume: bool) -> str:
    """Train on all nodes of this batch job and return the verdict. No rank outlives the call.

    Raises:
        TrainingError: this process is not in a batch job.
        StartAgain: a node is gone, and the batch job is to be started again without it.
        JobFailed: a rank or a node failed, with its reason.
        OSError: an agent cannot be started, or an event cannot be recorded.
    """
    if commands.batch_job() is None:
        raise TrainingError(
            "A run on several nodes or in a container is started by Slurm",
            "Submit job.sbatch in its folder, or `train CONFIG --resume`.",
        )
    with socket.create_server(("", 0), backlog=128) as listener:
        meeting = Meeting.new(
            job.run,
            config,
            host=socket.gethostname(),
            port=listener.getsockname()[1],
            resume=resume,
        )
        connections = Connections(listener, meeting.token)
        threading.Thread(target=connections.accept, daemon=True).start()
        try:
            with agents(_srun_command(job, meeting), meeting.environment(), connections):
                return record_reports(
                    job, connections.inbox, send=connections.send, explain_exit=explain_exit
                )
        except NodeLost as error:
            restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
            if error.has_checkpoint or restarts < VAIN_RESTARTS:
                raise StartAgain(error.failure) from error
            raise


def _srun_command(job: Job, meeting: Meeting) -> list[str]:
    """Return the command that runs an agent on each node."""
    options = [f"--nodes={meeting.nodes}", f"--ntasks={meeting.nodes}"]
    if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):  # srun 22.05 does not take it from there
        options.append(f"--cpus-per-task={cpus}")
    python = shlex.split(os.environ.get(commands.NODE_PYTHON_VARIABLE, "")) or [sys.executable]
    return [*SRUN, *options, *python, "-m", NODE_MODULE, *meeting.arguments(job.run)]
