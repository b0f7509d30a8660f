"""What a run prints cannot reach the terminal as anything but text: over a real pty."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.pilot.recorded_runs import alive, append, new_run, training

SCRIPT = """
import sys
from pathlib import Path
from deepsynth_tui.runs.directory import open_run
from deepsynth_tui.tui.screens.monitor import MonitorScreen
from tests.pilot.screen_host import ScreenHost
run = open_run(Path(sys.argv[2]))
ScreenHost(Path(sys.argv[1]), lambda: MonitorScreen(run)).run()
"""
EVIL = b"\x1b]0;a title\x07\x1b[77;7H\xc2\x9b99;9H\x1bPq#0\x1b\\left\x07\x08 over\r\x1b[?1049l"

TEXTUALS_OWN = b"\x1b]22;default\x07"
"""The shape of the mouse pointer, which Textual sets itself."""


def test_no_control_bytes_of_the_log_reach_the_terminal(home: Path):
    run = new_run(home, "a\x1b[66;6Hname")
    append(run, list(training(3)))
    append(run, [(9, "warning", {"message": "odd \x1b]0;another\x07 warning"})])
    alive(run, "training")
    run.console.write_bytes(EVIL + b"\nthe last line\n")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    screen = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home), str(run.path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    try:
        written = read_until(ours, b"the last line", seconds=60)
    finally:
        screen.kill()
        screen.wait()
        os.close(ours)
    written = written.replace(TEXTUALS_OWN, b"")
    for part in (b"a title", b"another", b"77;7H", b"99;9H", b"66;6H", b"\x1bP", b"\x07", b"\x08"):
        assert part not in written, written[max(0, written.find(part) - 60) :][:120]
    assert b"name" in written


def read_until(file: int, wanted: bytes, *, seconds: float) -> bytes:
    """Everything up to and a little after `wanted`."""
    written, deadline = b"", time.monotonic() + seconds
    while wanted not in written:
        assert time.monotonic() < deadline, written[-2000:]
        if select.select([file], [], [], 0.5)[0]:
            written += os.read(file, 65536)
    return written
