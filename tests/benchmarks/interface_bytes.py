"""What the interface writes and how fast it reacts, against an empty Textual app, in one run.

    python -m tests.benchmarks.interface_bytes [ROUNDS]

Prints each figure with its bar. Times are ratios to the empty app, which takes turns with the
interface; the ratio of CPU time beside each holds on a shared machine too. Both run from compiled
Python, and the interface from its cache, as after the first start. Bytes do not depend on the
machine, but for frames that a slow one leaves out.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from deepsynth_tui.runs.control import stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.job import Failure, Job, run_job
from deepsynth_tui.runs.launch import start_process
from tests.process.terminal import Terminal

EMPTY = """
from textual.app import App
from textual.widgets import Input

class Empty(App):
    def compose(self):
        for text in ("one", "two", "three"):
            field = Input(text)
            field.cursor_blink = False
            yield field

Empty().run()
"""
Average = Callable[[Sequence[float]], float]
EMPTY_COMMAND = [sys.executable, "-c", EMPTY]
COMMAND = [sys.executable, "-m", "deepsynth_tui"]
TAB, F2, F3, F4 = "\t", "\x1bOQ", "\x1bOR", "\x1bOS"
START_BYTES_BEFORE = 86_000
"""From the start to the filled form at 120x36, before only changed cells were written."""
KEYS = 24
"""Keys that are timed in each round."""
LIVE_SECONDS = 15.0
LOUD_SECONDS = 60.0
"""How long 5,000 lines a second are watched, `LIVE_SECONDS` of them without a key."""
MIB = 2**20
IDLE_SECONDS = 4.0
IDLE_WINDOWS = 5
QUIET = 0.08
"""Seconds without a byte after which the frame of a key is complete."""
LATER = 0.4
"""Seconds after that in which bytes still count for the key."""


def form_is_filled(text: str) -> bool:
    return "Batch size" in text and "Dataset" in text


def empty_is_there(text: str) -> bool:
    return "three" in text


# A run that logs


def log_steps(job: Job) -> str:
    """Report 3 steps a second, and print the lines a second that the environment asks for."""
    lines = int(os.environ["LINES_PER_SECOND"])
    job.phase("training")
    began, step, printed = time.monotonic(), 0, 0
    while not job.stop_requested():
        time.sleep(0.05)
        elapsed = time.monotonic() - began
        while printed < elapsed * lines:
            printed += 1
            sys.stdout.write(f"line {printed} of a log with some text in it\n")
        sys.stdout.flush()
        while step < elapsed * 3:
            step += 1
            job.progress(step, 100_000, "steps")
            job.metric(step=step, loss=2 / step + 0.5, learning_rate=1e-4, grad_norm=0.4)
    return "stopped"


def explain(error: BaseException) -> Failure:
    return Failure(type(error).__name__, str(error), "")


def live_run(home: Path, name: str, lines_per_second: int) -> RunDirectory:
    """Start a run that logs."""
    text = f"kind: training\nname: {name}\n"
    run = create_run(home, kind="training", name=name, config_text=text)
    argv = [sys.executable, "-m", "tests.benchmarks.interface_bytes", "--job", str(run.path)]
    start_process(run, argv, env={"LINES_PER_SECOND": str(lines_per_second)})
    return run


# Measurements


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds until a screen is there, of elapsed and of CPU time, and the bytes written."""

    seconds: float
    cpu: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Watched:
    """The seconds until each key has acted, and each key of an empty app; while no key is pressed,
    the bytes a second and the share of one CPU; the peak of the resident memory in bytes."""

    keys: list[float]
    empty_keys: list[float]
    rate: float
    cpu_share: float
    memory: int


def peak_memory(pid: int) -> int:
    """Return the peak resident memory of a process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no VmHWM")


def cpu_seconds(terminal: Terminal) -> float:
    """Return the CPU time that the program has taken, all its threads included (Linux)."""
    clock = (~terminal.pid << 3) | 2  # clock_getcpuclockid(3)
    return time.clock_gettime(clock)


def start_of(command: Sequence[str], is_there: Callable[[str], bool]) -> Cost:
    """Start a program, and wait until its screen is complete."""
    began = time.perf_counter()
    with Terminal(command) as terminal:
        terminal.wait_for(is_there)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(terminal)
        terminal.settle(1.5)
        return Cost(seconds, cpu, len(terminal.output))


def frame_of(terminal: Terminal, key: str) -> float:
    """Press a key, and return the seconds until its frame is complete."""
    pressed = time.perf_counter()
    terminal.press(key)
    terminal.settle(2.0, until_first=True)
    return terminal.settle(QUIET) - pressed


def press(terminal: Terminal, key: str) -> Cost:
    """Press a key, and wait until its frame is complete."""
    before, cpu = len(terminal.output), cpu_seconds(terminal)
    seconds = frame_of(terminal, key)
    cpu = cpu_seconds(terminal) - cpu
    terminal.settle(LATER)
    return Cost(seconds, cpu, len(terminal.output) - before)


def tabs_of(command: Sequence[str], is_there: Callable[[str], bool]) -> list[Cost]:
    """Press Tab many times."""
    with Terminal(command) as terminal:
        terminal.wait_for(is_there)
        terminal.settle(2.0)
        return [press(terminal, TAB) for _ in range(KEYS)]


def is_logarithmic(text: str) -> bool:
    return re.search(r"loss \([^)]*\blog\b", text) is not None


def watch(run: RunDirectory, seconds: float) -> Watched:
    """Watch a live run, and press the key for the scale of its chart over and over, in turns with
    Tab in an empty app."""
    with Terminal([*COMMAND, "attach", run.id]) as terminal, Terminal(EMPTY_COMMAND) as empty:
        terminal.wait_for(lambda text: "following" in text)
        empty.wait_for(empty_is_there)
        began, cpu = time.perf_counter(), cpu_seconds(terminal)
        taken: list[float] = []
        empty_tabs: list[float] = []
        rate = bytes_per_second(terminal, LIVE_SECONDS)
        share = (cpu_seconds(terminal) - cpu) / (time.perf_counter() - began)
        while time.perf_counter() < began + seconds:
            wanted = not is_logarithmic(terminal.text)
            pressed = time.perf_counter()
            terminal.press("l")
            terminal.wait_for(lambda text, wanted=wanted: is_logarithmic(text) == wanted)
            taken.append(time.perf_counter() - pressed)
            empty_tabs.append(frame_of(empty, TAB))
            terminal.settle(0.1, seconds=0.3)
        return Watched(taken, empty_tabs, rate, share, peak_memory(terminal.pid))


def bytes_per_second(terminal: Terminal, seconds: float) -> float:
    """Return the bytes that are written in a second while no key is pressed."""
    before, began = len(terminal.output), time.perf_counter()
    terminal.settle(seconds, seconds=seconds)
    return (len(terminal.output) - before) / (time.perf_counter() - began)


def idle_rate(terminal: Terminal) -> float:
    """Return the bytes a second once all checks have ended: the first zero, or the last rate."""
    terminal.settle(4.0, seconds=60)
    rate = 0.0
    for _ in range(IDLE_WINDOWS):
        rate = bytes_per_second(terminal, IDLE_SECONDS)
        if rate == 0:
            break
    return rate


def idle_screens(ended: RunDirectory) -> dict[str, float]:
    """Return the bytes a second of each screen on which nothing changes."""
    rates = {}
    with Terminal(COMMAND) as terminal:
        terminal.wait_for(form_is_filled)
        for screen, key in (("training", F3), ("dataset", F2), ("runs", F4)):
            terminal.press(key)
            rates[screen] = idle_rate(terminal)
    with Terminal([*COMMAND, "attach", ended.id]) as terminal:
        rates["monitor of an ended run"] = idle_rate(terminal)
    return rates


def percentile_95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def show(name: str, value: float, unit: str, bar: float) -> None:
    verdict = "ok" if value <= bar else "OVER"
    sys.stdout.write(f"{name:<44}{value:10,.2f} {unit:<6} at most {bar:,.2f}  {verdict}\n")
    sys.stdout.flush()


def show_ratios(
    name: str, costs: Sequence[Cost], empty: Sequence[Cost], average: Average, bar: float
) -> None:
    """Print the ratio of elapsed time and that of CPU time to an empty app's."""
    for kind, time_of in (("", attrgetter("seconds")), (", CPU time", attrgetter("cpu"))):
        ratio = average([*map(time_of, costs)]) / average([*map(time_of, empty)])
        show(f"{name}{kind}", ratio, "x", bar)


def median_bytes(costs: Sequence[Cost]) -> float:
    return statistics.median(cost.bytes for cost in costs)


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["DEEPSYNTH_HOME"] = folder
        os.environ["PYTHONPYCACHEPREFIX"] = str(home / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        (home / "runs" / "none").mkdir(parents=True)  # the Training screen is shown first
        empty, frame, form, empty_tabs, tabs = [], [], [], [], []
        for command, is_there in ((EMPTY_COMMAND, empty_is_there), (COMMAND, form_is_filled)):
            tabs_of(command, is_there)  # compiles what they import
        for _ in range(rounds):
            empty.append(start_of(EMPTY_COMMAND, empty_is_there))
            frame.append(start_of(COMMAND, lambda text: "Start" in text))
            form.append(start_of(COMMAND, form_is_filled))
            empty_tabs += tabs_of(EMPTY_COMMAND, empty_is_there)
            tabs += tabs_of(COMMAND, form_is_filled)
        show("Tab on the form", median_bytes(tabs), "B", 1000)
        show("  to an empty app's", median_bytes(tabs) / median_bytes(empty_tabs), "x", 0.15)
        show("start to filled form", median_bytes(form), "B", 0.35 * START_BYTES_BEFORE)
        show_ratios("first frame", frame, empty, statistics.median, 1.3)
        show_ratios("filled form", form, empty, statistics.median, 1.8)
        show_ratios("Tab, 95th p.", tabs, empty_tabs, percentile_95, 1.5)

        quiet, loud = live_run(home, "quiet", 3), live_run(home, "loud", 5000)
        with Terminal([*COMMAND, "attach", quiet.id]) as terminal:
            terminal.settle(3.0, seconds=5.0)
            rate = bytes_per_second(terminal, LIVE_SECONDS)
        show("live run, 3 steps/s", rate / 1024, "KiB/s", 8)
        watched = watch(loud, LOUD_SECONDS)
        ratio = percentile_95(watched.keys) / percentile_95(watched.empty_keys)
        show("key while 5,000 lines/s are logged, 95th p.", ratio, "x", 1.5)
        sys.stdout.write(
            f"  {len(watched.keys)} keys, median {statistics.median(watched.keys):.3f} s, an empty "
            f"app's {statistics.median(watched.empty_keys):.3f} s; "
            f"without keys {watched.rate / 1024:.2f} KiB/s, {100 * watched.cpu_share:.0f} % of a "
            f"CPU; memory after {LOUD_SECONDS:.0f} s {watched.memory / MIB:.0f} MiB\n"
        )
        for run in (quiet, loud):
            stop_and_wait(run, grace=20)
        for screen, rate in idle_screens(quiet).items():
            show(f"idle: {screen}", rate, "B/s", 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        sys.exit(run_job(Path(sys.argv[2]), log_steps, explain=explain))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
