"""The interface in a pseudo-terminal: how it ends on signals and when the terminal goes away."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pyte
import pytest

PROGRAM = """
import signal, sys, threading
from pathlib import Path
from deepsynth_tui.tui.app import run_app
if sys.argv[2] == "ignore":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, lambda *_: threading.Event().wait())
sys.exit(run_app(Path(sys.argv[1]), mode="training"))
"""
LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"
STOP_MOUSE_REPORTS = b"\x1b[?1000l"
DEADLINE = 60.0


class Interface:
    """A process of the interface whose controlling terminal is a pseudo-terminal."""

    def __init__(self, home: Path, *, hang_up: str = "default") -> None:
        self.output = b""
        self._screen = pyte.Screen(80, 24)
        self._emulator = pyte.ByteStream(self._screen)
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(home), hang_up])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def wait_for(self, text: str) -> None:
        """Read until `text` is on the screen."""
        deadline = time.monotonic() + DEADLINE
        while text not in "\n".join(self._screen.display):
            assert time.monotonic() < deadline, f"{text!r} was never on the screen"
            self._read()

    def type(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def close_terminal(self) -> None:
        os.close(self._terminal)

    def wait(self, *, reading: bool = True) -> int:
        """Return the exit status, negative for a signal; the process has to end by itself."""
        deadline = time.monotonic() + DEADLINE
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                if reading:
                    while self._read():
                        continue
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < deadline, "the process did not end"
            if reading:
                self._read()
            else:
                select.select([], [], [], 0.05)

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], 0.05)[0]:
            return False
        try:
            data = os.read(self._terminal, 1 << 16)
        except OSError:  # Linux: the other side of a pseudo-terminal has been closed
            return False
        self.output += data
        self._emulator.feed(data)
        return bool(data)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_leaves_a_clean_terminal(home: Path, number: signal.Signals) -> None:
    interface = Interface(home)
    interface.wait_for("Accumulation")
    os.kill(interface.pid, number)
    assert interface.wait() != 0
    assert LEAVE_ALTERNATE_SCREEN in interface.output
    assert STOP_MOUSE_REPORTS in interface.output


def test_a_hang_up_ends_the_process_and_saves_the_draft(home: Path) -> None:
    interface = Interface(home)
    interface.wait_for("Accumulation")
    interface.type(b"typed")
    interface.wait_for("typed")
    interface.close_terminal()
    assert interface.wait(reading=False) != 0
    assert "typed" in (home / "drafts" / "training.yaml").read_text()


def test_a_hang_up_ends_the_process_even_if_the_draft_cannot_be_saved(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "drafts").write_text("in the way of the folder")
    interface = Interface(home)
    interface.wait_for("Accumulation")
    interface.type(b"typed")
    interface.wait_for("typed")
    interface.close_terminal()
    assert interface.wait(reading=False) != 0


def test_a_terminal_that_goes_without_a_signal_ends_the_process(home: Path) -> None:
    interface = Interface(home, hang_up="ignore")
    interface.wait_for("Accumulation")
    interface.close_terminal()
    assert interface.wait(reading=False) != 0


def test_a_blocked_event_loop_does_not_outlive_the_terminal(home: Path) -> None:
    """The event loop blocks in a write to a dead terminal; the handler of SIGUSR1 stands for it."""
    interface = Interface(home, hang_up="ignore")
    interface.wait_for("Accumulation")
    os.kill(interface.pid, signal.SIGUSR1)
    interface.close_terminal()
    assert interface.wait(reading=False) != 0


def test_quitting_by_key_leaves_a_clean_terminal(home: Path) -> None:
    interface = Interface(home)
    interface.wait_for("Accumulation")
    interface.type(b"\x1b[21~")
    assert interface.wait() == 0
    assert LEAVE_ALTERNATE_SCREEN in interface.output
