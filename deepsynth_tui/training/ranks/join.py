"""Take part in a run on several machines from one of them, started by hand."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType

from deepsynth_tui.config.launch import host_and_port
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.runs.json_file import BadContent
from deepsynth_tui.runs.launch import JOB_ENVIRONMENT
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.slurm.commands import node_name
from deepsynth_tui.training.environment import (
    disable_torch_compile,
    number_gpus_by_bus,
    use_expandable_segments,
    wait_passively,
)
from deepsynth_tui.training.ranks import join_protocol
from deepsynth_tui.training.ranks.connection import keep_alive, read_first_line
from deepsynth_tui.training.ranks.installation import own_installation
from deepsynth_tui.training.ranks.join_protocol import (
    AgentEndedMessage,
    ConsoleMessage,
    EndMessage,
    JoiningMessage,
    JoinMessage,
    LeaveMessage,
    RefusedMessage,
    StartMessage,
    WelcomeMessage,
)
from deepsynth_tui.training.ranks.meeting import NODE_MODULE, Meeting
from deepsynth_tui.training.ranks.rendezvous_file import Rendezvous, read_rendezvous

FILE_SECONDS = 90.0
"""How long to look for the rendezvous of a run: on NFS, its file may be seen a minute late."""
ANSWER_SECONDS = 10.0
"""How long the owner of the run may take to answer a connection."""
POLL_SECONDS = 1.0
AGENT_SECONDS = 20.0
"""How long an agent may take to end after the owner has closed its connections."""
LEFT = 130
"""Exit status of a machine that has left."""

Report = Callable[[str], None]


class CannotJoin(UserError):
    """A machine cannot take part in a run, or no longer."""


def join_run(run: RunDirectory, *, rendezvous: str | None, report: Report) -> int:
    """Run the ranks of this machine until the run ends, and return the exit status.

    `rendezvous` is HOST or HOST:PORT in place of what the run folder says. SIGINT and SIGTERM have
    the run write a checkpoint, after which this machine leaves it; the second one leaves at once.
    SIGHUP is ignored. Must be called in the main thread.

    Raises:
        CannotJoin: nobody waits for other machines, they are not reached from here, or this one
            does not fit the run; or the owner of the run is gone.
    """
    given = None if rendezvous is None else host_and_port(rendezvous)
    if rendezvous is not None and given is None:
        raise CannotJoin(f"{rendezvous} is not HOST or HOST:PORT", "Such as gpu-a:29400")
    place = _find_rendezvous(run, report)
    if given is not None:
        place = replace(place, host=given[0], port=given[1] or place.port)
    _enter_folder(run)
    with _join(run, place) as connection:
        return Participant(run, place, connection, report).take_part()


def _find_rendezvous(run: RunDirectory, report: Report) -> Rendezvous:
    deadline = time.monotonic() + FILE_SECONDS
    has_reported = False
    while True:
        try:
            return read_rendezvous(run)
        except PermissionError as error:
            raise CannotJoin(
                f"{run.id} is the run of another user", "Only its user can have machines join it"
            ) from error
        except (OSError, BadContent):
            summary = summarize(run)
        if not summary.is_live or time.monotonic() > deadline:
            raise CannotJoin(
                f"{run.id} does not wait for other machines: it is {summary.state}",
                "Start it on one of them, with launch.target: torchrun",
            )
        if not has_reported:
            report(f"{run.id} does not wait for other machines yet")
        has_reported = True
        time.sleep(POLL_SECONDS)


def _enter_folder(run: RunDirectory) -> None:
    folder = read_identity(run).cwd
    try:
        os.chdir(folder)
    except OSError as error:
        raise CannotJoin(
            f"{folder}, where the run was started, cannot be entered on this machine: "
            f"{error.strerror}",
            "Start the run from a folder that all machines have, such as that of its configuration",
        ) from error


@contextlib.contextmanager
def _join(run: RunDirectory, place: Rendezvous) -> Iterator[socket.socket]:
    """Connect to the owner of the run and yield the connection once this machine is let in."""
    where = f"{place.host}:{place.port}"
    with _connect(place, where) as connection:
        answer = _ask_to_join(run, place, connection)
        match answer:
            case WelcomeMessage():
                yield connection
            case RefusedMessage(message, advice):
                raise CannotJoin(message, advice)
            case _:
                raise CannotJoin(
                    f"{where} does not let this machine in: it belongs to another run, to another "
                    "start of this one, or to another version of deepsynth-tui",
                    f"`deepsynth-tui logs {run.id}` shows the command for other machines",
                )


def _ask_to_join(
    run: RunDirectory, place: Rendezvous, connection: socket.socket
) -> JoiningMessage | None:
    """Return the answer of the owner, None if it closes the connection."""
    proof = run.path / f"joining-{secrets.token_hex(16)}"
    try:
        proof.touch(mode=0o600)
        installation = own_installation(run)
    except OSError as error:
        raise CannotJoin(f"{run.path} cannot be used: {error.strerror or error}") from error
    join = JoinMessage(place.token, node_name(), os.getpid(), installation, proof.name)
    try:
        join_protocol.send(connection, join)
        return join_protocol.parse(read_first_line(connection))  # a StartMessage may follow at once
    except (OSError, ValueError, KeyError, TypeError):  # KeyError, TypeError: of another version
        return None
    finally:
        proof.unlink(missing_ok=True)


def _connect(place: Rendezvous, where: str) -> socket.socket:
    try:
        connection = socket.create_connection((place.host, place.port), ANSWER_SECONDS)
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise CannotJoin(
            f"Nobody answers at {where}: {reason}",
            "Check that the run still waits there, that no firewall is in between, and that this "
            "machine reaches that address; launch.rendezvous and --rendezvous name another one",
        ) from error
    connection.settimeout(None)
    keep_alive(connection)
    return connection


class Participant:
    """This machine in a run: it runs an agent whenever the owner of the run says so."""

    def __init__(
        self, run: RunDirectory, place: Rendezvous, connection: socket.socket, report: Report
    ) -> None:
        self._run = run
        self._place = place
        self._connection = connection
        self._report_line = report
        self._lock = threading.Lock()
        self._is_leaving = False
        self._agent: subprocess.Popen[str] | None = None

    def take_part(self) -> int:
        """Obey the owner until the run has ended here; return the exit status."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._leave)
        self._report(f"joined {self._run.id} at {self._place.host}:{self._place.port}")
        try:
            for message in join_protocol.messages(self._connection):
                match message:
                    case StartMessage(meeting):
                        self._end_agent()
                        self._start_agent(replace(meeting, host=self._place.host))
                    case EndMessage():
                        return self._explain_end(message)
                    case _:
                        raise AssertionError(message)
        finally:
            self._end_agent()
        raise CannotJoin(
            f"The machine that started {self._run.id} is gone, or its process was killed",
            "`deepsynth-tui train CONFIG --resume` goes on from the last checkpoint; then join "
            "again",
        )

    def _start_agent(self, meeting: Meeting) -> None:
        number_gpus_by_bus()
        use_expandable_segments()
        wait_passively()
        disable_torch_compile()
        address = self._connection.getsockname()[0]
        command = [sys.executable, "-m", NODE_MODULE, *meeting.arguments(self._run)]
        command += ["--local-address", address, "--store", "elsewhere"]
        self._agent = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**meeting.environment(), **JOB_ENVIRONMENT},
            start_new_session=True,  # Ctrl-C is for this process
        )
        threading.Thread(target=self._send_output, args=(self._agent,), daemon=True).start()
        word = "resumes" if meeting.resume else "starts"
        self._report(f"{word} with {meeting.processes} of its processes here")

    def _end_agent(self) -> None:
        """End the agent, whose ranks end with the connections to their owner."""
        if self._agent is None:
            return
        try:
            self._agent.wait(AGENT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._agent.pid, signal.SIGKILL)
            self._agent.wait()
        self._agent = None

    def _send_output(self, agent: subprocess.Popen[str]) -> None:
        assert agent.stdout is not None
        with agent.stdout:
            for line in agent.stdout:
                self._send(ConsoleMessage(line.rstrip("\n")))
        if exit_code := agent.wait():
            self._send(AgentEndedMessage(exit_code))

    def _leave(self, number: int, frame: FrameType | None) -> None:
        """Ask to leave, and the second time leave at once."""
        if self._is_leaving:
            self._report("left without a checkpoint")
            if self._agent is not None:
                os.killpg(self._agent.pid, signal.SIGKILL)
            os._exit(LEFT)
        self._is_leaving = True
        self._report(
            "leaves as soon as a checkpoint is written; the run then waits for another machine. "
            "Press Ctrl-C again to leave at once"
        )
        # Not in this handler, which may have interrupted the main thread anywhere.
        threading.Thread(target=self._send, args=(LeaveMessage(),), daemon=True).start()

    def _send(self, message: JoiningMessage) -> None:
        with contextlib.suppress(OSError), self._lock:  # the owner may be gone
            join_protocol.send(self._connection, message)

    def _explain_end(self, message: EndMessage) -> int:
        match message.verdict:
            case "left":
                self._report(f"left {self._run.id}")
                return LEFT
            case "failed":
                self._report(f"{self._run.id} has failed: {message.message}")
                return 1
            case verdict:
                self._report(f"{self._run.id} is {verdict}")
                return 0

    def _report(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may have hung up
            self._report_line(line)
