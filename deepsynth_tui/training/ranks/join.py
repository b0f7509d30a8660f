"""Take part in a run over several machines from one of them, started by hand."""

from __future__ import annotations

import os
import socket
import time

from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.runs.json_file import BadContent
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.training.environment import (
    disable_torch_compile,
    number_gpus_by_bus,
    wait_passively,
)
from deepsynth_tui.training.ranks import node
from deepsynth_tui.training.ranks.meeting import Meeting, read_meeting

JOIN_SECONDS = 90.0
"""How long to look for the owner: on NFS, its file may be seen a minute late."""
POLL_SECONDS = 1.0
CONNECT_SECONDS = 5.0


def join_run(run: RunDirectory) -> int:
    """Run the ranks of this machine until the run ends, and return the exit status.

    Raises:
        UserError: nobody waits for other machines, or they cannot be reached from here.
    """
    deadline = time.monotonic() + JOIN_SECONDS
    while (meeting := _open_meeting(run)) is None:
        if not summarize(run).is_live or time.monotonic() > deadline:
            raise UserError(
                f"{run.id} does not wait for other machines, or they are not reached from here",
                "Start it on one machine, with launch.target: torchrun, and check the network "
                "between the two",
            )
        time.sleep(POLL_SECONDS)
    os.chdir(read_identity(run).cwd)
    number_gpus_by_bus()
    wait_passively()
    disable_torch_compile()
    os.environ.update(meeting.environment())
    return node.main(meeting.arguments(run))


def _open_meeting(run: RunDirectory) -> Meeting | None:
    """Return the meeting of the run if its owner listens."""
    try:
        meeting = read_meeting(run)
        address = (meeting.owner.host, meeting.owner.port)
        socket.create_connection(address, CONNECT_SECONDS).close()
    except (OSError, BadContent, ValueError):
        return None
    return meeting
