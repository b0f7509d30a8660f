"""Ending the interface when its terminal goes away, with or without a signal.

Textual installs no handler for SIGHUP and SIGTERM, so these would leave the alternate screen and
mouse reporting on. Where SIGHUP is ignored (nohup, some SSH servers), Textual's input thread reads
the end of the dead terminal over and over, and the event loop may block in a write to it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

HANGUP_STATUS = 128 + signal.SIGHUP
"""Exit status of a process whose terminal went away, as shells report it."""
CHECK_SECONDS = 2.0
"""Time between two checks of the terminal, and the time that the event loop has to react."""
HANGUP_SECONDS = 0.2
"""Time from a hang-up to the end, for keys that are still on their way to the form."""


class TerminalWatcher:
    """Ends the application on a signal or when the terminal is gone.

    Args:
        leave: Ends the application and restores the terminal.
        save: Saves what must not be lost, before the process exits without a terminal.
    """

    def __init__(self, *, leave: Callable[[], None], save: Callable[[], None]) -> None:
        self._leave = leave
        self._save = save

    def start(self) -> None:
        """Handle SIGTERM, and SIGHUP unless it is ignored, and start to check the terminal."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._on_signal)
        threading.Thread(target=self._poll, args=(loop,), name="terminal", daemon=True).start()

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the terminal, in a thread because the event loop may be blocked.

        The loop, which owns the forms, gets the first chance to save them.
        """
        while _has_terminal():
            time.sleep(CHECK_SECONDS)
        loop.call_soon_threadsafe(self._save_and_exit)
        time.sleep(CHECK_SECONDS)
        self._save_and_exit()

    def _on_signal(self) -> None:
        if _has_terminal():
            self._leave()
        else:
            asyncio.get_running_loop().call_later(HANGUP_SECONDS, self._save_and_exit)

    def _save_and_exit(self) -> None:
        """Exit without restoring the terminal, which is gone, even if nothing can be saved."""
        try:
            self._save()
        finally:
            # Not sys.exit: Textual's threads are blocked in writes that can never succeed.
            os._exit(HANGUP_STATUS)


def end_process(status: int) -> NoReturn:
    """End the process without taking its objects apart, which takes longer than closing screens.

    What was registered to run at the exit runs. Threads are not waited for.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _has_terminal() -> bool:
    return os.isatty(sys.__stdin__.fileno() if sys.__stdin__ else -1)
