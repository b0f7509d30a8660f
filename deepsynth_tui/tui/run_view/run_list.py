"""The rows of the list of runs: what is known of each run, filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from deepsynth_tui.runs import log_overview
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.log_overview import LogOverview, OverviewReader
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.tui.run_view.run_settings import RunSettings, read_run_settings
from deepsynth_tui.units import format_age, format_duration, format_elapsed

READ_SECONDS = 0.1
"""How long the log of one run is read at once; a longer one is read on the next time."""
LIVE_STEP = 10.0
"""Seconds in steps of which the time of a live run grows: each change is a new list."""
SortKey = Literal["age", "name", "state", "best eval", "time"]
SORT_KEYS: tuple[SortKey, ...] = get_args(SortKey)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a list shows of a run beside its summary.

    `seconds` is its working time, without waiting for another run; None before the first event.
    """

    settings: RunSettings = field(default_factory=RunSettings)
    losses: tuple[float, ...] = ()
    best_eval: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run, its age as text, and facts, None until they are read."""

    summary: RunSummary
    age: str
    facts: RunFacts | None = None

    @property
    def state(self) -> str:
        """The state as text, of a live run with its progress, of a queued one with its place."""
        summary = self.summary
        text = STATE_LABELS[summary.state].text
        if summary.state == "queued" and summary.position is not None:
            return f"{'held' if summary.is_held else text} {summary.position}"
        if summary.state != "running":
            return text
        done, total = summary.last_step, summary.total_steps
        if done is None or not total:
            done, total = summary.done, summary.total
        return f"{text} {100 * done // total} %" if total and done < total else text

    @property
    def time(self) -> str:
        """The working time as text; that of a live run in coarse steps, so that few repaint."""
        seconds = self.facts.seconds if self.facts else None
        if seconds is None:
            return ""
        return format_elapsed(seconds) if self.summary.is_live else format_duration(seconds)

    @property
    def method(self) -> str:
        """How the run trains, such as "r16 4-bit"; "dataset" of a dataset run."""
        if self.summary.kind != "training":
            return sanitize(self.summary.kind)
        return self.facts.settings.method if self.facts else ""


class RunFactsReader:
    """Reads the facts of runs; of an ended run once. Not thread-safe."""

    def __init__(self) -> None:
        self._ended: dict[tuple[str, float | None, str], RunFacts] = {}
        self._readers: dict[str, OverviewReader] = {}

    def known(self, summary: RunSummary) -> RunFacts | None:
        """Return the facts of an ended run that were read before."""
        return self._ended.get(_key(summary))

    def read(self, summary: RunSummary, now: float) -> RunFacts:
        """Return the facts of a run; those of its settings alone if its log cannot be read."""
        if (facts := self.known(summary)) is not None:
            return facts
        run = RunDirectory(summary.id, summary.path)
        settings = read_run_settings(run)
        overview = None if summary.is_live else log_overview.load(run)
        if overview is None:
            reader = self._readers.setdefault(run.id, OverviewReader(run))
            try:
                reader.poll(READ_SECONDS)
            except OSError:  # its summary says so
                return RunFacts(settings)
            overview = reader.overview(live=summary.is_live)
            if summary.is_live or reader.is_behind:
                return _facts(settings, overview, now)
            log_overview.save(run, overview)
        self._readers.pop(run.id, None)
        self._ended[_key(summary)] = facts = _facts(settings, overview, now)
        return facts


def run_rows(
    summaries: Sequence[RunSummary], now: float, reader: RunFactsReader | None = None
) -> tuple[RunRow, ...]:
    """Return the rows at the time `now` (seconds since the epoch), with the facts known so far."""
    known = reader.known if reader else lambda summary: None
    return tuple(
        RunRow(summary, format_age(now - summary.created), known(summary)) for summary in summaries
    )


def arrange(rows: Sequence[RunRow], text: str, sort: SortKey) -> tuple[RunRow, ...]:
    """Return the rows that have every word of `text` in a column, in the order of `sort`.

    Runs without the value that they are sorted by come last.
    """
    words = text.casefold().split()
    found = [row for row in rows if all(word in _searched(row) for word in words)]
    if sort == "age":
        return tuple(found)
    return tuple(sorted(found, key=lambda row: _sort_value(row, sort)))


def _sort_value(row: RunRow, sort: SortKey) -> tuple[bool, float | str]:
    facts = row.facts or RunFacts()
    if sort == "best eval":
        return facts.best_eval is None, facts.best_eval or 0.0
    if sort == "time":
        return facts.seconds is None, -(facts.seconds or 0.0)
    return False, (row.summary.name if sort == "name" else row.state).casefold()


def _searched(row: RunRow) -> str:
    settings = row.facts.settings if row.facts else RunSettings()
    texts = (row.summary.name, row.summary.id, row.state, row.method, row.summary.kind)
    return " ".join((*texts, settings.model_name, settings.data_path)).casefold()


def _key(summary: RunSummary) -> tuple[str, float | None, str]:
    return summary.id, summary.updated, summary.state


def _facts(settings: RunSettings, overview: LogOverview, now: float) -> RunFacts:
    seconds = overview.seconds(now)
    if seconds is not None and overview.working_since is not None:
        seconds = seconds // LIVE_STEP * LIVE_STEP
    return RunFacts(settings, overview.losses, overview.best_eval, seconds)


def describe(row: RunRow) -> list[tuple[str, str]]:
    """Return the details of a run, each with its label."""
    summary = row.summary
    details = [("path", sanitize(str(summary.path)))]
    progress = _progress(summary)
    if progress:
        details.append(("progress", progress))
    if row.facts and row.facts.settings.model_name:
        settings = row.facts.settings
        data = f" on {settings.data_path}" if settings.data_path else ""
        details.append(("trains", sanitize(f"{settings.model_name}{data}")))
    if summary.position is not None:
        why = sanitize(summary.message) or "waiting for the supervisor of the queue"
        return [*details, ("queue", f"position {summary.position}; {why}")]
    details.append(("watch", f"deepsynth-tui attach {summary.id}"))
    if summary.message:
        details.append((STATE_LABELS[summary.state].text, sanitize(summary.message)))
    return details


def _progress(summary: RunSummary) -> str:
    """Return the steps of a training run, else the progress of the current phase."""
    loss = "" if summary.last_loss is None else f", loss {summary.last_loss:.3f}"
    if summary.last_step is not None:
        total = f" of {summary.total_steps}" if summary.total_steps else ""
        return f"step {summary.last_step}{total}{loss}"
    if summary.is_live and summary.unit:
        total = f" of {summary.total}" if summary.total is not None else ""
        return f"{summary.done}{total} {summary.unit}"
    return summary.phase if summary.is_live else ""
