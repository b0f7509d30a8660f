"""The live run that the mode bar names. Reads files, without Textual."""

from __future__ import annotations

import time
from dataclasses import dataclass

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, RunDirectoryError
from deepsynth_tui.runs.live_runs import LiveRuns
from deepsynth_tui.runs.state import RunState, eta_seconds
from deepsynth_tui.runs.state_reader import StateReader
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.units import format_remaining

READ_SECONDS = 0.2
"""How long one poll reads a long log before it returns what it has."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """The newest live run: symbol and colour of its state, its name, and figures of it, the most
    important first. `others` counts the other live runs."""

    symbol: str
    colour: str
    name: str
    figures: tuple[str, ...]
    others: int = 0


class LiveRunReader:
    """Finds the newest of the live runs, and follows its log. Not thread-safe."""

    def __init__(self, runs: LiveRuns) -> None:
        self._runs = runs
        self._run: RunDirectory | None = None
        self._reader: StateReader | None = None

    def poll(self) -> LiveRun | None:
        """Return the newest run that has a process and works, else the newest that has one; None
        if no run has a process, or if the runs cannot be listed."""
        try:
            summaries = self._runs.look()
            if not summaries:
                self._run = self._reader = None
                return None
            working = (summary for summary in summaries if summary.state in ("running", "stopping"))
            summary = next(working, summaries[0])
            state = self._read(RunDirectory(summary.id, summary.path))
        except (OSError, RunDirectoryError):  # the list of runs reports it
            return None
        label = STATE_LABELS[summary.state]
        figures = tuple(_figures(summary, state, time.time()))
        return LiveRun(
            label.symbol, label.colour, sanitize(summary.name), figures, len(summaries) - 1
        )

    def _read(self, run: RunDirectory) -> RunState:
        if self._reader is None or run != self._run:
            self._run, self._reader = run, StateReader(run)
        self._reader.poll(READ_SECONDS)
        return self._reader.state


def _figures(summary: RunSummary, state: RunState, now: float) -> list[str]:
    """Return progress, time left and loss, as far as they are known; else the state."""
    if summary.state not in ("running", "stopping"):
        return [STATE_LABELS[summary.state].text]
    figures: list[str] = []
    if summary.kind == "training" and state.step is not None and state.total_steps:
        figures.append(f"{state.step}/{state.total_steps}")
    elif state.progress.unit:
        done, total = state.progress.done, state.progress.total
        figures.append(f"{done:,}/{total:,}" if total is not None else f"{done:,}")
    else:
        figures.append(sanitize(state.phase or summary.phase))
    seconds = eta_seconds(state)
    if seconds and state.updated is not None:
        figures.append(format_remaining(max(0.0, seconds - max(0.0, now - state.updated))))
    if state.last_loss is not None:
        loss = state.last_loss
        figures.insert(1, f"loss {loss:.2f}" if abs(loss) >= 0.1 else f"loss {loss:.2g}")
    return figures
