"""What the agent of a node has to know to take part in a run."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui import __version__
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.ranks.connection import OWNER_VARIABLE, Address

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

NODE_MODULE = "deepsynth_tui.training.ranks.node"


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the owner of a run listens and torchrun's agents meet; new at each start.

    `port` of `host` is that of the owner, which takes `token`; `store_port` is that of the c10d
    rendezvous. `processes` is the number of ranks on each of the `nodes`.
    """

    host: str
    port: int
    token: str
    store_port: int
    run_id: str
    nodes: int
    processes: int
    resume: bool

    @classmethod
    def new(
        cls, run: RunDirectory, config: TrainingConfig, *, host: str, port: int, resume: bool
    ) -> Meeting:
        """Return a meeting on this machine, which other nodes reach at `host`."""
        token = secrets.token_hex(16)
        with socket.create_server(("", 0)) as server:
            store_port = server.getsockname()[1]
        return cls(
            host=host,
            port=port,
            token=token,
            store_port=store_port,
            run_id=f"{run.id}-{token[:8]}",
            nodes=config.launch.nodes,
            processes=config.processes_per_node,
            resume=resume,
        )

    def arguments(self, run: RunDirectory) -> list[str]:
        """Return the arguments of `ranks.node`."""
        return [
            *(str(run.path), "--nodes", str(self.nodes), "--processes", str(self.processes)),
            *("--endpoint", f"{self.host}:{self.store_port}", "--run-id", self.run_id),
            *("--version", __version__),
            *(("--resume",) if self.resume else ()),
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment of `ranks.node`: a token is no argument, which all users see."""
        owner = Address(self.host, self.port, self.token)
        return {**os.environ, OWNER_VARIABLE: owner.to_text()}
