"""Connections between the owner of a run and other nodes, and who is let in."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from deepsynth_tui.config.launch import LaunchSettings
from deepsynth_tui.config.training import TrainingConfig, TrainingSettings
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.ranks.connection import Address, connect, read_hello
from deepsynth_tui.training.ranks.meeting import Meeting
from deepsynth_tui.training.ranks.protocol import FinishedMessage, HelloMessage, encode

TOKEN = "0" * 32


def first_line(content: bytes) -> HelloMessage | None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        return read_hello(ours, TOKEN)


def test_a_rank_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1], TOKEN)
        assert Address.from_text(address.to_text()) == address
        opened: list[int] = []
        thread = threading.Thread(target=lambda: opened.append(connect(address, node="n2", rank=3)))
        thread.start()
        connection, _ = listener.accept()
        with connection:
            assert read_hello(connection, TOKEN) == HelloMessage(TOKEN, "n2", 3, os.getpid())
            thread.join()
            os.write(opened[0], b"next\n")
            assert connection.recv(100) == b"next\n"  # left for the next reader
        os.close(opened[0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"{}\n",
        b'{"type": "HelloMessage", "token": 5, "node": "n", "rank": 0, "pid": 1}\n',
        encode(HelloMessage("1" * 32, "n1", 0, 7)).encode(),
        encode(FinishedMessage("completed", {})).encode(),
        b"x" * 5000,
    ],
)
def test_a_stranger_is_not_let_in(content: bytes) -> None:
    assert first_line(content) is None


def test_the_token_is_no_argument(tmp_path: Path) -> None:
    run = RunDirectory("run", tmp_path)
    config = TrainingConfig.model_construct(
        launch=LaunchSettings(nodes=2), training=TrainingSettings(num_processes=8)
    )
    meeting = Meeting.new(run, config, host="n1", port=1234, resume=True)
    assert meeting.token not in " ".join(meeting.arguments(run))
    assert meeting.token in meeting.environment()["DEEPSYNTH_OWNER"]
    assert meeting.processes == 4
