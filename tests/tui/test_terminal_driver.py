"""The end of the interface waits for nothing that it does not need."""

from __future__ import annotations

import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator

import pytest
from textual.app import App

from deepsynth_tui.tui.terminal_driver import TerminalDriver

PROGRAM = """
import atexit, sys
from deepsynth_tui.tui.terminal import end_process

class Object:
    def __del__(self):
        print("taken apart", flush=True)

kept = Object()
atexit.register(lambda: print("registered"))
sys.stdout.write("buffered, ")
end_process(3)
"""


class KeyThread(threading.Thread):
    """Counts how often it is waited for."""

    waits = 0

    def join(self, timeout: float | None = None) -> None:
        self.waits += 1


@pytest.fixture
def _window_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGWINCH)
    yield
    signal.signal(signal.SIGWINCH, before)


@pytest.mark.usefixtures("_window_signal")
async def test_only_another_program_waits_for_the_thread_that_reads_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(termios, "tcflush", lambda *_: None)
    app = App[None]()
    driver, thread = TerminalDriver(app, mouse=False), KeyThread()
    driver._key_thread = thread
    driver.disable_input()  # for a program in place of the interface
    assert (thread.waits, driver.exit_event.is_set()) == (1, False)
    app.exit()
    driver.disable_input()
    driver.disable_input()
    assert (thread.waits, driver.exit_event.is_set()) == (1, True)


def test_the_process_ends_without_taking_its_objects_apart() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (3, "buffered, registered\n")
