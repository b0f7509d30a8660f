"""The metrics of a run over steps, tokens and time, read from its whole event log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.events import Event
from deepsynth_tui.runs.json_file import finite_integer, finite_number
from deepsynth_tui.runs.liveness import STARTING
from deepsynth_tui.runs.reduce_events import RESUMED
from deepsynth_tui.runs.tail import EventTail

TRAINING, EVALUATING = "training", "evaluating"
"""Phases in which the clock of a curve runs: it starts with the first, any other stops it."""
_NO_METRICS = frozenset({"step", "epoch", "tokens", "nonfinite"})


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A value of a metric. `tokens` were trained on up to `step`, None if a job did not record
    them. `seconds` is how long processes of the run had been training, pauses between them left
    out."""

    step: int
    value: float
    tokens: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Curves:
    """The points of each metric by its name, in the order of steps.

    `tokens` and `seconds` are those of the whole run: `tokens` of its last step that counts them.
    """

    points: Mapping[str, tuple[CurvePoint, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    tokens: int | None = None
    seconds: float | None = None


def read_curves(run: RunDirectory) -> Curves:
    """Return the curves of `run`. Steps that a resumed run repeated count once.

    Raises OSError if the log cannot be read.
    """
    reader, tail = _CurveReader(), EventTail(run.events)
    while events := tail.poll():
        reader.take(events)
    return reader.curves()


class _CurveReader:
    def __init__(self) -> None:
        self._points: dict[str, list[CurvePoint]] = {}
        self._tokens: list[tuple[int, int | None]] = [(0, 0)]
        """Tokens after a step; None from the first step on whose tokens are not known."""
        self._before = 0.0
        self._started: float | None = None
        self._last = 0.0
        self._last_seq = 0

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.seq <= self._last_seq:  # a replaced log is read again, as `fold` does
                continue
            self._last_seq = event.seq
            if event.kind == "phase":
                self._phase(event)
            elif event.kind == "metric":
                self._metric(event)
            self._last = event.t

    def curves(self) -> Curves:
        points = {name: tuple(series) for name, series in self._points.items() if series}
        step, tokens = self._tokens[-1]
        seconds = self._seconds(self._last)
        return Curves(MappingProxyType(points), tokens if step else None, seconds or None)

    def _phase(self, event: Event) -> None:
        name = event.data.get("name")
        if name == TRAINING and self._started is None:
            self._started = event.t
        elif name == STARTING:  # a killed process could not end its phase
            self._stop(self._last)
        elif name == RESUMED and (step := finite_integer(event.data.get("step"))) is not None:
            self._rewind(step)
        elif name not in (TRAINING, EVALUATING):
            self._stop(event.t)

    def _stop(self, t: float) -> None:
        self._before, self._started = self._seconds(t), None

    def _rewind(self, step: int) -> None:
        for series in self._points.values():
            while series and series[-1].step > step:
                series.pop()
        self._tokens = [entry for entry in self._tokens if entry[0] <= step]
        if self._tokens[-1][0] < step:  # a checkpoint of another run: every one has been logged
            self._tokens.append((step, None))

    def _metric(self, event: Event) -> None:
        step = finite_integer(event.data.get("step"))
        if step is None:
            return
        if self._started is None:
            self._started = event.t
        if "loss" in event.data:
            self._add_tokens(step, finite_integer(event.data.get("tokens")))
        tokens = self._tokens[-1][1]
        for name, value in event.data.items():
            number = finite_number(value)
            if number is None or name in _NO_METRICS:
                continue
            series = self._points.setdefault(name, [])
            while series and series[-1].step >= step:
                series.pop()
            series.append(CurvePoint(step, number, tokens, self._seconds(event.t)))

    def _add_tokens(self, step: int, tokens: int | None) -> None:
        before = self._tokens[-1][1]
        known = None if before is None or tokens is None else before + tokens
        self._tokens.append((step, known))

    def _seconds(self, t: float) -> float:
        since = 0.0 if self._started is None else max(0.0, t - self._started)
        return self._before + since
