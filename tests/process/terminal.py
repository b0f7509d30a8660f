"""A program in a real pseudo-terminal, with its screen as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import pyte

PRIVATE_MODES = re.compile(rb"\x1b\[[<>=?][0-9;]*[a-zA-Z$]*[upq]")
"""Keyboard-protocol sequences that pyte would print instead of ignoring."""


class Terminal:
    """Runs a command in a terminal of `size` (columns, rows) until it is closed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (120, 36),
        env: dict[str, str] | None = None,
    ) -> None:
        columns, rows = size
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.output = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", **(env or {}))
            os.environ.update(COLUMNS=str(columns), LINES=str(rows))
            os.execvp(command[0], list(command))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        if self._fd >= 0:
            self.hang_up()

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, condition: Callable[[str], bool], seconds: float = 60) -> str:
        """Read until the text of the screen meets `condition`; fails after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < deadline, f"not seen in {seconds} s:\n{self.text}"
            self._read(0.1)
        return self.text

    def settle(self, quiet: float, seconds: float = 20, *, until_first: bool = False) -> float:
        """Read until nothing comes for `quiet` seconds, and return when the last byte came.

        Returns the time of the call if nothing comes; ends after `seconds` in any case, and with
        `until_first` after the first bytes.
        """
        last = began = time.perf_counter()
        while (now := time.perf_counter()) < min(last + quiet, began + seconds):
            count = len(self.output)
            self._read(last + quiet - now)
            if len(self.output) > count:
                last = time.perf_counter()
                if until_first:
                    break
        return last

    def hang_up(self) -> None:
        """Close the terminal as a dropped connection does: the program gets SIGHUP."""
        os.close(self._fd)
        self._fd = -1

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def wait_until_gone(self, seconds: float = 20) -> None:
        """Read until the program has exited; fails if it lives longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < deadline, f"still there after {seconds} s:\n{self.text}"
            self._read(0.01)  # benchmarks time this
        if self._fd >= 0:
            self._read(0.1)
        self.pid = 0

    def _read(self, seconds: float) -> None:
        if self._fd < 0:
            select.select([], [], [], seconds)
            return
        if not select.select([self._fd], [], [], seconds)[0]:
            return
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # EIO: the program has closed its side
            select.select([], [], [], seconds)
            return
        self.output += data
        self._stream.feed(PRIVATE_MODES.sub(b"", data))
