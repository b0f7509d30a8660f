"""Many runs, and a very long one, in the interface: time until shown, time to quit, memory.

    python -m tests.benchmarks.large_runs [--runs N] [--events N] [--long N]

The Runs list is opened in new processes: in a home with `--runs` ended runs of `--events` events,
then in one without runs, then in the first again. The list can be used from its first rows on; that
all rows are there is printed beside it. Then a run of `--long` metric events is opened. Prints each
figure with its bar.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs.directory import RunDirectory
from tests.benchmarks.interface_bytes import COMMAND, F4, MIB, form_is_filled, peak_memory, show
from tests.pilot.recorded_runs import Recorded, append, ended, finish, new_run
from tests.process.terminal import Terminal

ROUNDS = 3
F10 = "\x1b[21~"
OTHER_EVENTS = 3
"""The phase at the start and the two events at the end of a run."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The seconds until the first rows or the chart, and until the list is complete; the peak of
    the resident memory in bytes."""

    seconds: float
    complete: float
    quit_seconds: float
    memory: int


def metrics(count: int) -> Iterator[Recorded]:
    """Yield `count` metric events, 100 a second."""
    yield 0.0, "phase", {"name": "training", "detail": ""}
    for step in range(1, count + 1):
        metric = {"step": step, "loss": 2 / step + 0.5, "learning_rate": 1e-4, "grad_norm": 0.4}
        yield step / 100, "metric", metric


def long_run(home: Path, name: str, events: int, later: float = 0) -> RunDirectory:
    """Create an ended run of `events` events."""
    run = new_run(home, name, later=later)
    count = events - OTHER_EVENTS
    append(run, [*metrics(count), *list(finish(count / 100, run))[-2:]])
    ended(run)
    return run


def many_runs(home: Path, count: int, events: int) -> None:
    """Create `count` runs with the same events."""
    text = long_run(home, "run-0", events).events.read_bytes()
    for number in range(1, count):
        run = new_run(home, f"run-{number}", later=number)
        run.events.write_bytes(text)
        ended(run)


def open_runs(home: Path, newest: str) -> Opened:
    """Open the Runs list and wait for its newest row, then for all."""
    with Terminal(COMMAND, env={"DEEPSYNTH_HOME": str(home)}) as terminal:
        terminal.wait_for(form_is_filled)
        began = time.perf_counter()
        terminal.press(F4)
        terminal.wait_for(lambda text: newest in text, seconds=120)
        seconds = time.perf_counter() - began
        terminal.wait_for(lambda text: newest in text and "reading" not in text, seconds=120)
        return Opened(seconds, time.perf_counter() - began, *quit_of(terminal))


def open_monitor(home: Path, run: RunDirectory, shown: str) -> Opened:
    """Open a run until its chart is there."""
    began = time.perf_counter()
    env = {"DEEPSYNTH_HOME": str(home)}
    with Terminal([*COMMAND, "attach", run.id], env=env) as terminal:
        terminal.wait_for(lambda text: shown in text, seconds=240)
        seconds = time.perf_counter() - began
        return Opened(seconds, seconds, *quit_of(terminal))


def quit_of(terminal: Terminal) -> tuple[float, int]:
    """Quit; return the seconds that it takes, and the peak memory."""
    terminal.settle(0.5)
    memory = peak_memory(terminal.pid)
    began = time.perf_counter()
    terminal.press(F10)
    terminal.wait_until_gone()
    return time.perf_counter() - began, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--long", type=int, default=2_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty, full, other = (Path(folder, name) for name in ("empty", "full", "long"))
        (empty / "runs" / "none").mkdir(parents=True)
        many_runs(full, options.runs, options.events)
        os.sync()
        newest = f"run-{options.runs - 1}"
        cold = open_runs(full, newest)
        sys.stdout.write(f"first time: rows {cold.seconds:.2f} s, all {cold.complete:.2f} s\n")
        without = [open_runs(empty, "No runs") for _ in range(ROUNDS)]
        kept = [open_runs(full, newest) for _ in range(ROUNDS)]
        base = statistics.median(opened.seconds for opened in without)
        show(
            f"list of {options.runs:,} runs, more than an empty one",
            statistics.median(opened.seconds for opened in kept) - base,
            "s",
            1,
        )
        complete = statistics.median(opened.complete for opened in kept)
        sys.stdout.write(f"  all rows after {complete:.2f} s\n")
        show("  quit", max(opened.quit_seconds for opened in kept), "s", 0.3)
        sys.stdout.write(
            f"  memory {max(opened.memory for opened in kept) / MIB:.0f} MiB, "
            f"without runs {max(opened.memory for opened in without) / MIB:.0f} MiB\n"
        )
        run = long_run(other, "long", options.long)
        for name in ("first time", "again"):
            opened = open_monitor(other, run, f"{options.long - OTHER_EVENTS:,}")
            show(f"chart of {options.long:,} events, {name}", opened.seconds, "s", 3)
            show("  memory", opened.memory / MIB, "MiB", 120)
            show("  quit", opened.quit_seconds, "s", 0.3)


if __name__ == "__main__":
    main()
