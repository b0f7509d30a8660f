"""What a list shows of an event log: the loss in a few points, the best evaluation, the time taken.

Only the lines that matter are parsed, so that a thousand long logs are read in seconds. The
overview of an ended run is kept beside its log, and counts while the log has the same size and
time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.events import parse_event
from deepsynth_tui.runs.json_file import (
    BadContent,
    Fields,
    finite_integer,
    finite_number,
    read_object,
)
from deepsynth_tui.runs.liveness import WAITING
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import LineTail

VERSION = 1
"""To be raised whenever the same log gets another overview."""
CURVE_POINTS = 32
"""Values of the loss."""
BATCH = 1 << 20
"""Bytes that are looked at between two looks at the clock."""
KEPT_BYTES = 1 << 16
"""Size of a log from which on its overview is kept."""
_SAMPLED_LINES = 8 * CURVE_POINTS
_FOLDED = (b'"phase"', b'"eval_loss"')
_LOSS = b'"loss"'


@dataclass(frozen=True, slots=True)
class LogOverview:
    """What a log says at a glance.

    Attributes:
        losses: The training loss in at most `CURVE_POINTS` values.
        best_eval: The lowest held-out loss, None before an evaluation.
        worked: Seconds of work, without waiting for another run; None before the first event.
        working_since: When the present phase of a live run began, in seconds since the epoch, if
            it counts as work.
    """

    losses: tuple[float, ...] = ()
    best_eval: float | None = None
    worked: float | None = None
    working_since: float | None = None

    def seconds(self, now: float) -> float | None:
        """Return the seconds of work until `now`, in seconds since the epoch."""
        if self.worked is None or self.working_since is None:
            return self.worked
        return self.worked + max(0.0, now - self.working_since)


class OverviewReader:
    """The overview of a log that may grow. Not thread-safe.

    `is_behind`: the last poll ended for lack of time.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._lines = LineTail(run.events)
        self._state = RunState()
        self._losses = _Thinned()
        self._last = b""
        self.is_behind = False

    def poll(self, seconds: float = float("inf")) -> None:
        """Read what was appended since the last poll, but not for longer than `seconds`.

        Raises OSError if the log cannot be read.
        """
        end = time.monotonic() + seconds
        self.is_behind = False
        while not self.is_behind and (lines := self._lines.poll(BATCH)):
            self._losses.extend(lines)
            events = filter(None, map(parse_event, self._relevant(lines)))
            self._state = fold(self._state, events)
            self.is_behind = time.monotonic() >= end

    def overview(self, *, live: bool) -> LogOverview:
        """Return the overview of what was read; the last phase of a live run goes on."""
        state = self._state
        if state.updated is None:
            return LogOverview()
        work = [phase for phase in state.phases if phase.name != WAITING]
        since = work[-1].started if live and work and work[-1].ended is None else None
        if since is not None:
            work.pop()
        evaluations = [value for _, value in state.series.get("eval_loss", ())]
        return LogOverview(
            losses=_resample(self._losses.values()),
            best_eval=min(evaluations, default=None),
            worked=sum((phase.ended or state.updated) - phase.started for phase in work),
            working_since=since,
        )

    def _relevant(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the lines to fold.

        The line before a new phase tells when the process before it ended, and the last one when
        the run wrote last.
        """
        for index in _lines_with(_FOLDED, lines):
            yield lines[index - 1] if index else self._last
            yield lines[index]
        yield lines[-1]
        self._last = lines[-1]


def _lines_with(words: Sequence[bytes], lines: Sequence[bytes]) -> list[int]:
    """Return the indices of the lines that contain one of `words`.

    Searches the text as a whole: a search for each line would take ten times as long.
    """
    text = b"\n".join(lines)
    hits = set[int]()
    for word in words:
        at = text.find(word)
        while at >= 0:
            hits.add(at)
            at = text.find(word, at + 1)
    indices, index, before = [], 0, 0
    for at in sorted(hits):
        index += text.count(b"\n", before, at)
        before = at
        if not indices or indices[-1] != index:
            indices.append(index)
    return indices


class _Thinned:
    """Lines with a loss at about equal distances, however many lines there are."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._step = 1
        self._wait = 0
        """Lines to pass over before the next one is kept."""
        self._last = b""

    def extend(self, lines: Sequence[bytes]) -> None:
        at = self._wait
        while at < len(lines):
            with_loss = next((i for i in range(at, len(lines)) if _LOSS in lines[i]), None)
            if with_loss is None:
                at = len(lines)
                break
            self._lines.append(lines[with_loss])
            if len(self._lines) > _SAMPLED_LINES:
                del self._lines[1::2]
                self._step *= 2
            at = with_loss + self._step
        self._wait = at - len(lines)
        self._last = next((line for line in reversed(lines) if _LOSS in line), self._last)

    def values(self) -> list[float]:
        """Return the losses in the order of their steps; of a repeated step the last."""
        points: list[tuple[int, float]] = []
        for event in filter(None, map(parse_event, [*self._lines, self._last])):
            step = finite_integer(event.data.get("step"))
            loss = finite_number(event.data.get("loss"))
            if event.kind != "metric" or step is None or loss is None:
                continue
            while points and points[-1][0] >= step:
                points.pop()
            points.append((step, loss))
        return [loss for _, loss in points]


def load(run: RunDirectory) -> LogOverview | None:
    """Return the overview that is kept of the log as it is, None without it."""
    try:
        size, changed = _version_of(run.events)
        fields = Fields(read_object(run.overview), run.overview.name)
        if fields.integer("version") != VERSION or fields.integer("size") != size:
            return None
        if fields.integer("changed_ns") != changed:
            return None
        return LogOverview(
            losses=fields.numbers("losses")[-CURVE_POINTS:],
            best_eval=fields.optional_number("best_eval"),
            worked=fields.optional_number("worked"),
        )
    except (OSError, BadContent):
        return None


def save(run: RunDirectory, overview: LogOverview) -> None:
    """Keep the overview of an ended run, unless its log is short.

    Does nothing where the folder cannot be written: it may be somebody else's, or the disk full.
    """
    try:
        size, changed = _version_of(run.events)
        if size < KEPT_BYTES:
            return
        content = {
            "version": VERSION,
            "size": size,
            "changed_ns": changed,
            "losses": overview.losses,
            "best_eval": overview.best_eval,
            "worked": overview.worked,
        }
        atomic.replace(run.overview, json.dumps(content).encode())
    except OSError:
        return


def _version_of(log: Path) -> tuple[int, int]:
    stat = log.stat()
    return stat.st_size, stat.st_mtime_ns


def _resample(values: Sequence[float]) -> tuple[float, ...]:
    """Return the last value of each of `CURVE_POINTS` parts."""
    count = min(len(values), CURVE_POINTS)
    return tuple(values[(i + 1) * len(values) // count - 1] for i in range(count))
