"""What a node has to know to take part in a run: as arguments of its agent, or as a file in the run
folder for nodes that are started by hand.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.json_file import Fields, read_object
from deepsynth_tui.training.ranks.connection import OWNER_VARIABLE, Address

FILE = "nodes.json"


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

    def write(self, run: RunDirectory) -> None:
        """Write the file that `read_meeting` reads, for this user alone. Raises OSError."""
        path = _path(run)
        path.unlink(missing_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as text:
            json.dump({"v": 1, **asdict(self), "owner": self.owner.to_text()}, text)


def new_meeting(
    run: RunDirectory, listener: socket.socket, *, nodes: int, processes: int, resume: bool
) -> Meeting:
    """Return a meeting on this host, where the first agent to come listens on the endpoint."""
    owner = Address.new(listener)
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
    run_id = f"{run.id}-{owner.token[:8]}"
    return Meeting(owner, f"{owner.host}:{port}", run_id, nodes, processes, resume)


def read_meeting(run: RunDirectory) -> Meeting:
    """Return the meeting of the last start. Raises OSError or BadContent if there is none."""
    content = Fields(read_object(_path(run)), FILE)
    return Meeting(
        owner=Address.from_text(content.text("owner")),
        endpoint=content.text("endpoint"),
        run_id=content.text("run_id"),
        nodes=content.integer("nodes"),
        processes=content.integer("processes"),
        resume=content.flag("resume"),
    )


def remove_meeting(run: RunDirectory) -> None:
    """Remove the file: nobody can join any more."""
    _path(run).unlink(missing_ok=True)


def _path(run: RunDirectory) -> Path:
    return run.path / FILE
