"""What the agent of a node has to know to take part in a run."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.ranks.connection import OWNER_VARIABLE, Address


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the owner of a run listens and torchrun's agents meet; new at each start.

    `processes` is the number of ranks on each of the `nodes`.
    """

    owner: Address
    endpoint: str
    run_id: str
    nodes: int
    processes: int
    resume: bool

    def arguments(self, run: RunDirectory) -> list[str]:
        """Return the arguments of `ranks.node`."""
        return [
            *(str(run.path), "--nodes", str(self.nodes), "--processes", str(self.processes)),
            *("--endpoint", self.endpoint, "--run-id", self.run_id),
            *(("--resume",) if self.resume else ()),
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment of `ranks.node`: a token is no argument, which all users see."""
        return {**os.environ, OWNER_VARIABLE: self.owner.to_text()}


def new_meeting(
    run: RunDirectory, listener: socket.socket, *, nodes: int, processes: int, resume: bool
) -> Meeting:
    """Return a meeting on this host, where the first agent to come listens on the endpoint."""
    owner = Address.new(listener)
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    run_id = f"{run.id}-{owner.token[:8]}"
    return Meeting(owner, f"{owner.host}:{port}", run_id, nodes, processes, resume)
