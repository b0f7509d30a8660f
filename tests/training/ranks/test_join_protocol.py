"""What machines say to each other when one joins, and who is let in, without processes."""

from __future__ import annotations

import json
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.config.launch import host_and_port
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.training.ranks.connection import read_first_line
from deepsynth_tui.training.ranks.installation import difference
from deepsynth_tui.training.ranks.join import join_run
from deepsynth_tui.training.ranks.join_protocol import (
    AgentEndedMessage,
    ConsoleMessage,
    EndMessage,
    Installation,
    JoiningMessage,
    JoinMessage,
    LeaveMessage,
    RefusedMessage,
    StartMessage,
    WelcomeMessage,
    encode,
    messages,
    parse,
    send,
)
from deepsynth_tui.training.ranks.meeting import Meeting
from deepsynth_tui.training.ranks.network import interface_of
from deepsynth_tui.training.ranks.rendezvous_file import Rendezvous, read_rendezvous

INSTALLATION = Installation("c0ffee", {"torch": "2.13.0", "peft": "0.19.0"}, has_gpus=True)
ALL: list[JoiningMessage] = [
    JoinMessage("token", "n2", 7, INSTALLATION, "joining-0"),
    RefusedMessage("wrong", "right"),
    WelcomeMessage(2),
    StartMessage(Meeting("n1", 1, "token", 2, "run", 2, 4, resume=True)),
    ConsoleMessage("a\n\u2028b\x00"),
    AgentEndedMessage(-9),
    LeaveMessage(),
    EndMessage("failed", "why"),
]


def test_messages_arrive_as_they_were_sent() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            for message in ALL:
                send(ours, message)
            ours.sendall(b'{"type": "LeaveMess')  # the machine was killed while it wrote
        assert list(messages(theirs)) == ALL


@pytest.fixture
def _signals() -> Iterator[None]:
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_what_follows_the_welcome_at_once_is_obeyed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    run = create_run(home, kind="training", name="x", config_text="name: x")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                assert isinstance(parse(read_first_line(connection)), JoinMessage)
                both = (WelcomeMessage(2), EndMessage("completed"))
                connection.sendall("".join(map(encode, both)).encode())
                connection.recv(1)

        Rendezvous("127.0.0.1", listener.getsockname()[1], "token").write(run)
        owner = threading.Thread(target=answer)
        owner.start()
        lines: list[str] = []
        assert join_run(run, rendezvous=None, report=lines.append) == 0
        owner.join()
    assert lines[-1] == f"{run.id} is completed"
    assert not list(run.path.glob("joining-*"))


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"type": "Other"}', '{"type": "EndMessage"}'])
def test_no_message(line: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse(line)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"packages": {**INSTALLATION.packages, "wandb": "1"}}, None),
        ({"config": "beef"}, "The configuration of the run on n2 is not that on n1"),
        (
            {"packages": {"torch": "2.13.0+cpu", "peft": "0.19.0"}},
            "torch is 2.13.0+cpu on n2 and 2.13.0 on n1",
        ),
        ({"packages": {"torch": "2.13.0"}}, "peft is unknown on n2 and 0.19.0 on n1"),
        ({"has_gpus": False}, "n2 has no GPU that it can use, and n1 has"),
    ],
)
def test_difference(changes: dict[str, object], message: str | None) -> None:
    refused = difference(INSTALLATION, "n1", replace(INSTALLATION, **changes), "n2")
    assert (refused.message if refused else None) == message


def test_a_machine_with_a_gpu_does_not_join_a_run_on_the_cpu() -> None:
    refused = difference(replace(INSTALLATION, has_gpus=False), "n1", INSTALLATION, "n2")
    assert refused is not None
    assert refused.message == "n1 has no GPU that it can use, and n2 has"


def test_a_rendezvous_is_read_by_its_user_alone(tmp_path: Path) -> None:
    run, rendezvous = RunDirectory("run", tmp_path), Rendezvous("n1", 29400, "token")
    replace(rendezvous, token="older").write(run)
    rendezvous.write(run)
    assert read_rendezvous(run) == rendezvous
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["v"] == 1


def test_interface_of() -> None:
    assert interface_of("127.0.0.1") in ("lo", None)  # None: not Linux
    assert interface_of("192.0.2.255") is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("gpu-a", ("gpu-a", None)),
        ("10.0.0.1:29400", ("10.0.0.1", 29400)),
        ("gpu-a:0", None),
        ("gpu-a:65536", None),
        ("gpu-a:", None),
        ("fe80::1", None),
        ("", None),
    ],
)
def test_host_and_port(text: str, parts: tuple[str, int | None] | None) -> None:
    assert host_and_port(text) == parts
