"""The process that owns a run on several machines which join it by hand.

It runs an agent of torchrun on its own machine, and each machine that joins (`ranks.join`) runs
one. When a machine is lost or leaves, all agents end; once another has joined, new ones go on from
the last checkpoint.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deepsynth_tui.config.launch import host_and_port
from deepsynth_tui.runs.job import Failure, Job, JobFailed
from deepsynth_tui.runs.liveness import STARTING, WAITING
from deepsynth_tui.slurm.commands import node_name
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.ranks.connections import (
    VAIN_RESTARTS,
    Connections,
    agents,
    explain_exit,
)
from deepsynth_tui.training.ranks.exit_reasons import RESUME
from deepsynth_tui.training.ranks.join_protocol import EndMessage
from deepsynth_tui.training.ranks.lobby import Lobby
from deepsynth_tui.training.ranks.meeting import NODE_MODULE, Meeting
from deepsynth_tui.training.ranks.network import own_address
from deepsynth_tui.training.ranks.record import POLL_SECONDS, NodeLost, record_reports
from deepsynth_tui.training.ranks.rendezvous_file import Rendezvous, remove_rendezvous

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.runs.control import Request

GO_ON = "The run goes on from its last checkpoint as soon as a machine joins in its place"


def run_joined_nodes(job: Job, config: TrainingConfig, *, resume: bool) -> str:
    """Train on this machine and those that join, and return the verdict. No rank outlives the call.

    Raises:
        TrainingError: the port is in use.
        JobFailed: machines are missing for too long, or a rank failed, with its reason.
        OSError: an agent cannot be started, or an event cannot be recorded.
    """
    with _listen(config) as listener:
        rendezvous = _rendezvous(config, listener)
        lobby = Lobby(job.run, listener, rendezvous.token, others=config.launch.nodes - 1)
        threading.Thread(target=lobby.accept, daemon=True).start()
        rendezvous.write(job.run)
        ending = EndMessage("failed")
        try:
            verdict = _train(job, config, lobby, rendezvous, resume=resume)
            ending = EndMessage("completed" if verdict == "completed" else "stopped")
        except JobFailed as error:
            ending = EndMessage("failed", error.failure.message)
            raise
        finally:
            remove_rendezvous(job.run)
            lobby.end(ending)
    return verdict


def _listen(config: TrainingConfig) -> socket.socket:
    _, port = host_and_port(config.launch.rendezvous or "") or ("", None)
    try:
        return socket.create_server(("", port or 0), backlog=128)
    except OSError as error:
        raise TrainingError(
            f"Other machines cannot be let in at port {port}: {error.strerror or error}",
            "Choose another one in launch.rendezvous, or leave its port out.",
        ) from error


def _rendezvous(config: TrainingConfig, listener: socket.socket) -> Rendezvous:
    host, _ = host_and_port(config.launch.rendezvous or "") or (own_address(), None)
    return Rendezvous(host, listener.getsockname()[1], secrets.token_hex(16))


def _train(
    job: Job, config: TrainingConfig, lobby: Lobby, rendezvous: Rendezvous, *, resume: bool
) -> str:
    """Start all agents, again after the loss of a machine, and return the verdict of the last."""
    vain_starts = 0

    def request_of_node() -> Request | None:
        return "requeue" if lobby.leaving() else None

    while True:
        if not _await_machines(job, config, lobby, rendezvous):
            return "stopped"
        try:
            with _agents(job, config, lobby, rendezvous, resume=resume) as connections:
                verdict = record_reports(
                    job,
                    connections.inbox,
                    send=connections.send,
                    explain_exit=explain_exit,
                    request_of_node=request_of_node,
                )
        except NodeLost as error:
            vain_starts = 0 if error.has_checkpoint else vain_starts + 1
            if vain_starts > VAIN_RESTARTS:
                raise
            job.warning(f"{error.failure.message}. {GO_ON}")
        else:
            leaving = lobby.leaving()
            if verdict != "stopped" or job.stop_requested() or not leaving:
                return verdict
            job.warning(f"{', '.join(member.node for member in leaving)} has left. {GO_ON}")
        resume = True


def _await_machines(job: Job, config: TrainingConfig, lobby: Lobby, rendezvous: Rendezvous) -> bool:
    """Wait until all machines are there, and return False if asked to stop.

    Raises JobFailed if they do not come in time.
    """
    command = shlex.join(
        (
            *("deepsynth-tui", "node", "--rendezvous", f"{rendezvous.host}:{rendezvous.port}"),
            str(job.run.path),
        )
    )
    nodes, reported = config.launch.nodes, 0
    deadline = time.monotonic() + config.launch.join_timeout
    while True:
        lobby.dismiss(lobby.leaving())
        if not (missing := lobby.missing()):
            return True
        if missing != reported:
            machine = "another machine" if missing == 1 else f"{missing} other machines"
            job.phase(WAITING, f"for {missing} of {nodes} nodes: on {machine}, run `{command}`")
            reported = missing
        if job.heartbeat.stop_event.wait(POLL_SECONDS):
            return False
        if time.monotonic() > deadline:
            text = f"{missing} of {nodes} nodes did not join within {config.launch.join_timeout} s"
            advice = (
                f"Start the run again, and run `{command}` on the others meanwhile; "
                f"launch.join_timeout is the time for that. {RESUME}"
            )
            raise JobFailed(Failure("NodesMissing", text, advice))


@contextlib.contextmanager
def _agents(
    job: Job, config: TrainingConfig, lobby: Lobby, rendezvous: Rendezvous, *, resume: bool
) -> Iterator[Connections]:
    """Run an agent on each machine meanwhile."""
    names = ", ".join((node_name(), *(member.node for member in lobby.members)))
    job.phase(STARTING, f"on {names}")
    host = rendezvous.host
    with socket.create_server(("", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        meeting = Meeting.new(job.run, config, host=host, port=port, resume=resume)
        connections = Connections(listener, meeting.token)
        threading.Thread(target=connections.accept, daemon=True).start()
        lobby.start(meeting, connections.inbox)
        command = [sys.executable, "-m", NODE_MODULE, *meeting.arguments(job.run)]
        command += ["--local-address", host, "--store", "here"]
        with agents(command, meeting.environment(), connections):
            yield connections
