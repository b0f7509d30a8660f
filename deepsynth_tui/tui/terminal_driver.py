"""Textual's driver for Linux and macOS, without its pauses at the end of the application.

It overrides what Textual 8.2.8 does in private; `tests/tui/test_textual_private_names.py` lists
these names and fails when they change.
"""

from __future__ import annotations

import contextlib
import signal
import termios

from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message


class TerminalDriver(LinuxDriver):
    """Does not wait for the thread that reads keys when the application ends.

    That thread sleeps for 0.1 to 0.2 seconds before it sees that it has to end. Before another
    program gets the terminal (suspend), it is waited for: it would take keys of that program.
    """

    def disable_input(self) -> None:
        """Disable further input."""
        if not self._app._exit:
            super().disable_input()
        elif not self.exit_event.is_set():
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            self._disable_mouse_support()
            self.exit_event.set()
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcflush(self.fileno, termios.TCIFLUSH)

    def process_message(self, message: Message) -> None:
        """Drop what the thread still reads."""
        if not self.exit_event.is_set():
            super().process_message(message)
