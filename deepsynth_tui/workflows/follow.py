"""A run as plain lines, for a terminal without the interface, a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from deepsynth_tui.runs.console import ConsoleTail, sanitize
from deepsynth_tui.runs.control import NotRunning, request_stop
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted, comparison_lines
from deepsynth_tui.runs.events import Event
from deepsynth_tui.runs.summary import RunSummary, summarize
from deepsynth_tui.runs.tail import EventTail

Say = Callable[[str], None]

POLL = 0.25
"""Seconds between two looks at the run."""
LINES_PER_PHASE = 20
"""Progress lines that one phase may take."""
EXIT_CODES = {"done": 0, "stopped": 130}


def until_end(run: RunDirectory, say: Say) -> int:
    """Say what `run` does until it ends; return the exit code.

    The first Ctrl-C stops the run and waits for it, the second leaves it to itself.
    """
    narrator = Narrator(run, say)
    stopping = False
    while True:
        try:
            while not narrator.listen():
                time.sleep(POLL)
            return EXIT_CODES.get(summarize(run).state, 1)
        except KeyboardInterrupt:
            if stopping:
                say(f"{run.id} is left stopping. `deepsynth-tui logs {run.id}` shows how it ends.")
                return EXIT_CODES["stopped"]
            stopping = True
            say("Stopping the run (Ctrl-C again: leave it alone).")
            _ask_to_stop(run)


class Narrator:
    """Turns the events of one run into lines, a bounded number per phase."""

    def __init__(self, run: RunDirectory, say: Say) -> None:
        self._run = run
        self._say = say
        self._tail = EventTail(run.events)
        self._said_at = -1.0
        self._latest = ""
        self._predicted: Predicted | None = None

    def listen(self) -> bool:
        """Say what is new; return whether the run has ended and all is said."""
        seen = summarize(self._run)
        for event in self._tail.poll():
            for line in self._lines(event):
                self._say(sanitize(line))
        if seen.is_live:
            return False
        if seen.state == "crashed":
            self._say(f"crashed: {seen.message}")
        return True

    def _lines(self, event: Event) -> Iterator[str]:
        data = event.data
        match event.kind:
            case "phase":
                self._said_at = -1.0
                yield " ".join(str(part) for part in (data.get("name"), data.get("detail")) if part)
            case "progress":
                share = _share(data.get("done"), data.get("total"))
                if share == 1 or share >= self._said_at + 1 / LINES_PER_PHASE:
                    self._said_at = share
                    of = f"/{data['total']}" if data.get("total") else ""
                    yield f"  {data.get('done')}{of} {data.get('unit')}{self._latest}"
            case "metric":
                self._latest = "".join(
                    f"  {name} {data[name]:.4g}"
                    for name in ("loss", "eval_loss", "learning_rate")
                    if isinstance(data.get(name), float)
                )
            case "estimate":
                if guess := Predicted.from_json(data):
                    self._predicted = guess
                    yield f"  estimated: {guess}"
            case "measured":
                if took := Measured.from_json(data):
                    yield f"  measured: {'; '.join(comparison_lines(self._predicted, took))}"
            case "checkpoint":
                yield f"  checkpoint {data.get('path')}"
            case "warning":
                yield f"  warning: {data.get('message')}"
            case "error":
                yield f"error: {data.get('message')}"
                yield f"  {data.get('advice')}"
            case "done":
                yield str(data.get("verdict"))


def console(run: RunDirectory, say: Say, *, until_end: bool) -> None:
    """Say what the job printed, cleaned of control characters; `until_end` waits for more."""
    tail = ConsoleTail(run.console)
    while True:
        ended = not until_end or not summarize(run).is_live
        lines = tail.poll()
        while lines:
            for line in lines:
                say(line)
            lines = tail.poll()
        if ended:
            if tail.unfinished:
                say(tail.unfinished)
            return
        time.sleep(POLL)


def summary_line(summary: RunSummary) -> str:
    """Return one run as one line of a list."""
    loss = "" if summary.last_loss is None else f"loss {summary.last_loss:.4f}"
    step = "" if summary.last_step is None else f"step {summary.last_step}"
    return f"{summary.id:<44}{summary.state:<14}{summary.kind:<10}{step:<12}{loss}".rstrip()


def _share(done: object, total: object) -> float:
    if not isinstance(done, int) or not isinstance(total, int) or not total:
        return 0.0
    return done / total


def _ask_to_stop(run: RunDirectory) -> None:
    try:
        request_stop(run, now=True)
    except NotRunning:
        return  # it ended by itself in the meantime: listening goes on and says so
