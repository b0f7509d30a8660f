"""Follow a run as plain lines: for a terminal without the interface, a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from deepsynth_tui.runs.console import ConsoleTail, sanitize
from deepsynth_tui.runs.control import NotRunning, request_stop
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted, comparison_lines
from deepsynth_tui.runs.events import Event
from deepsynth_tui.runs.json_file import finite_integer
from deepsynth_tui.runs.summary import LIVE, RunSummary, summarize
from deepsynth_tui.runs.tail import EventTail

PrintLine = Callable[[str], None]

POLL_SECONDS = 0.25
"""Seconds between two polls of the run."""
LINES_PER_PHASE = 20
"""At most this many progress lines per phase."""
STEPS = "steps"
"""Unit of the progress of training."""
EXIT_CODES = {"done": 0, "stopped": 130}


def follow_until_end(run: RunDirectory, print_line: PrintLine) -> int:
    """Print the events of `run` until it ends, and return the exit code.

    The first Ctrl-C stops the run and waits for its end, the second stops waiting.
    """
    printer = EventPrinter(run, print_line)
    stopping = False
    while True:
        try:
            while not printer.poll():
                time.sleep(POLL_SECONDS)
            return EXIT_CODES.get(summarize(run).state, 1)
        except KeyboardInterrupt:
            if stopping:
                print_line(f"{run.id} is still stopping. Follow it: deepsynth-tui logs -f {run.id}")
                return EXIT_CODES["stopped"]
            stopping = True
            print_line("Stopping the run. Press Ctrl-C again to return without waiting.")
            _request_stop(run)


class EventPrinter:
    """Prints the events of one run as lines, a bounded number per phase."""

    def __init__(self, run: RunDirectory, print_line: PrintLine) -> None:
        self._run = run
        self._print_line = print_line
        self._tail = EventTail(run.events)
        self._printed_fraction = -1.0
        self._pending_step: object = None
        self._total_steps: object = None
        self._predicted: Predicted | None = None
        self._place = ""
        self._detail: object = None

    def poll(self) -> bool:
        """Print new events; return whether the run has ended and everything is printed."""
        summary = summarize(self._run)
        # All of them, not one batch: the last ones say why a run failed.
        while events := self._tail.poll():
            for event in events:
                for line in self._lines(event):
                    self._print_line(sanitize(line))
        if summary.is_live:
            self._print_place(summary)
            return False
        for line in self._take_pending():
            self._print_line(line)
        if summary.state in ("crashed", "unreadable"):
            self._print_line(f"{summary.state}: {summary.message}")
        return True

    def _print_place(self, summary: RunSummary) -> None:
        """Print where a run waits or works, whenever that changes.

        What a waiting run waits for was printed with its phase.
        """
        if summary.message and summary.message not in (self._place, self._detail):
            self._place = summary.message
            self._print_line(f"{summary.state} {summary.message}")

    def _lines(self, event: Event) -> Iterator[str]:
        data = event.data
        if event.kind == "metric":
            yield from self._metric_lines(data)
            return
        yield from self._take_pending()
        match event.kind:
            case "phase":
                self._printed_fraction = -1.0
                self._detail = data.get("detail")
                yield " ".join(str(part) for part in (data.get("name"), data.get("detail")) if part)
            case "progress":
                done, total, unit = (data.get(name) for name in ("done", "total", "unit"))
                if unit == STEPS:
                    self._total_steps = total
                if not self._is_due(done, total):
                    return
                if unit == STEPS:
                    self._pending_step = done  # its loss comes next
                else:
                    yield _progress_line(done, total, unit)
            case "estimate":
                if predicted := Predicted.from_json(data):
                    self._predicted = predicted
                    yield f"  estimated: {predicted}"
            case "measured":
                if measured := Measured.from_json(data):
                    yield f"  measured: {'; '.join(comparison_lines(self._predicted, measured))}"
            case "checkpoint":
                yield f"  checkpoint {data.get('path')}"
            case "warning":
                yield f"  warning: {data.get('message')}"
            case "error":
                yield f"error: {data.get('message')}"
                yield f"  {data.get('advice')}"
            case "done":
                yield str(data.get("verdict"))

    def _metric_lines(self, data: Mapping[str, object]) -> Iterator[str]:
        """Return the metrics beside their own step, at most as many as of progress."""
        metrics = "".join(
            f"  {name} {value:.4g}"
            for name in ("loss", "eval_loss", "learning_rate")
            if isinstance(value := data.get(name), float)
        )
        step = data.get("step")
        is_pending = self._pending_step == step
        if is_pending:
            self._pending_step = None
        else:
            yield from self._take_pending()
        if is_pending or "eval_loss" in data or self._is_due(step, self._total_steps):
            yield f"{_progress_line(step, self._total_steps, STEPS)}{metrics}"

    def _take_pending(self) -> Iterator[str]:
        step, self._pending_step = self._pending_step, None
        if step is not None:
            yield _progress_line(step, self._total_steps, STEPS)

    def _is_due(self, done: object, total: object) -> bool:
        fraction = _fraction(done, total)
        if fraction != 1 and fraction < self._printed_fraction + 1 / LINES_PER_PHASE:
            return False
        self._printed_fraction = fraction
        return True


def print_console(run: RunDirectory, print_line: PrintLine, *, follow: bool) -> None:
    """Print the console output of the job, without control characters; `follow` waits for more."""
    tail = ConsoleTail(run.console)
    while True:
        ended = not follow or not summarize(run).is_live
        while lines := tail.poll():
            print_line("\n".join(lines))  # a million calls would take a minute
        if ended:
            if tail.unfinished:
                print_line(tail.unfinished)
            return
        time.sleep(POLL_SECONDS)


def summary_line(summary: RunSummary) -> str:
    """Return one run as one line of a list."""
    loss = "" if summary.last_loss is None else f"loss {summary.last_loss:.4f}"
    step = "" if summary.last_step is None else f"step {summary.last_step}"
    reason = summary.message if summary.state in LIVE | {"unreadable"} else ""
    state = f"queued ({summary.position})" if summary.position else summary.state
    line = f"{summary.id:<44}{state:<14}{summary.kind:<10}{step:<12}{loss}"
    return f"{line}{'  ' if loss and reason else ''}{reason}".rstrip()


def _progress_line(done: object, total: object, unit: object) -> str:
    return f"  {done}{f'/{total}' if total else ''} {unit}"


def _fraction(done: object, total: object) -> float:
    counted, whole = finite_integer(done), finite_integer(total)
    return counted / whole if counted is not None and whole else 0.0


def _request_stop(run: RunDirectory) -> None:
    try:
        request_stop(run, now=True)
    except NotRunning:
        return  # it has ended meanwhile; the next poll reports that
