"""Leaving when the terminal goes: signals, and a terminal that is gone without one.

Textual installs no handler for SIGHUP and SIGTERM, which leaves the alternate screen and mouse
reporting on; and where SIGHUP is ignored (nohup, some SSH servers) its input thread reads the end
of the dead terminal over and over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

HUNG_UP = 128 + signal.SIGHUP
"""Exit status of a process whose terminal went away, as shells have it."""


class Terminal:
    """Watches the terminal. `leave` ends the application; `save` keeps what must not be lost."""

    def __init__(self, *, leave: Callable[[], None], save: Callable[[], None]) -> None:
        self._leave = leave
        self._save = save

    def watch(self) -> None:
        """Take over SIGTERM, and SIGHUP unless whoever started us had it ignored."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._on_signal)

    def check(self) -> None:
        """End the process if its terminal is gone: there is nothing left to restore or to draw."""
        if not os.isatty(sys.__stdin__.fileno() if sys.__stdin__ else -1):
            self._save()
            # Not sys.exit: Textual's threads are blocked in writes that can never succeed.
            os._exit(HUNG_UP)

    def _on_signal(self) -> None:
        self.check()
        self._leave()
