"""How long until the interface is there, against an empty Textual application, in one run.

    python -m tests.benchmarks.first_frame [ROUNDS]

Prints medians and their ratios. Both programs take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.process.terminal import Terminal

EMPTY = """
from textual.app import App
from textual.widgets import Label

class Empty(App):
    def compose(self):
        yield Label("nothing else")

Empty().run()
"""
SEEN = {
    "empty application": ([sys.executable, "-c", EMPTY], "nothing else"),
    "first frame": ([sys.executable, "-m", "deepsynth_tui"], "Start"),
    "form": ([sys.executable, "-m", "deepsynth_tui"], "Text column"),
}


def seconds_until(command: list[str], text: str) -> float:
    """Return the seconds from the start of `command` until `text` is on its screen."""
    began = time.perf_counter()
    with Terminal(command) as terminal:
        terminal.wait_for(lambda screen: text in screen)
        return time.perf_counter() - began


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEEPSYNTH_HOME"] = str(Path(home))
        taken: dict[str, list[float]] = {name: [] for name in SEEN}
        for _ in range(rounds):
            for name, (command, text) in SEEN.items():
                taken[name].append(seconds_until(command, text))
    base = statistics.median(taken["empty application"])
    for name, values in taken.items():
        middle = statistics.median(values)
        sys.stdout.write(f"{name:<20}{1000 * middle:7.0f} ms  {middle / base:5.2f} x\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
