"""Leaving when the terminal goes: signals, and a terminal that is gone without one.

Textual installs no handler for SIGHUP and SIGTERM, which leaves the alternate screen and mouse
reporting on; and where SIGHUP is ignored (nohup, some SSH servers) its input thread reads the end
of the dead terminal over and over, while its loop may wait for a write that can never succeed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

HUNG_UP = 128 + signal.SIGHUP
"""Exit status of a process whose terminal went away, as shells have it."""
LOOK = 2.0
"""Seconds between two looks at the terminal, and those that the loop has to notice it is gone."""
SETTLE = 0.2
"""Seconds from a hang-up to the end."""


class Terminal:
    """Watches the terminal. `leave` ends the application; `save` keeps what must not be lost."""

    def __init__(self, *, leave: Callable[[], None], save: Callable[[], None]) -> None:
        self._leave = leave
        self._save = save

    def watch(self) -> None:
        """Take over SIGTERM, and SIGHUP unless whoever started us had it ignored; from then on
        look at the terminal."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._on_signal)
        threading.Thread(target=self._look_on, args=(loop,), name="terminal", daemon=True).start()

    def _look_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own, since the loop may be stuck. It is asked first: what was typed is
        safest to read there."""
        while _is_there():
            time.sleep(LOOK)
        loop.call_soon_threadsafe(self._end)
        time.sleep(LOOK)
        self._end()

    def _on_signal(self) -> None:
        if _is_there():
            self._leave()
        else:
            # Keys that were typed just before are still on their way to the form.
            asyncio.get_running_loop().call_later(SETTLE, self._end)

    def _end(self) -> None:
        """End the process: there is nothing left to restore or to draw, and no one to tell why
        what was typed could not be saved."""
        try:
            self._save()
        finally:
            # Not sys.exit: Textual's threads are blocked in writes that can never succeed.
            os._exit(HUNG_UP)


def _is_there() -> bool:
    return os.isatty(sys.__stdin__.fileno() if sys.__stdin__ else -1)
