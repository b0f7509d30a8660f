"""Reduce the events of a run to its state.

`fold` is pure: the same events give the same state, whether they arrive at once or in batches of
any size. A screen that attaches again therefore shows what it showed before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.runs.events import UNREADABLE, Event
from deepsynth_tui.runs.json_file import finite_integer, finite_number
from deepsynth_tui.runs.liveness import STARTING
from deepsynth_tui.runs.state import (
    Checkpoint,
    Drawn,
    ErrorReport,
    Gpu,
    Memory,
    Phase,
    Point,
    Progress,
    RunState,
    Sample,
    WarningCount,
)

RESUMED = "resumed"
"""Phase that returns the run to an earlier `step`."""
MAX_POINTS = 8192
"""Points that a series has at most. Beyond them, it keeps peaks instead of each point."""
WINDOW_POINTS = 60
"""Progress points that the throughput is computed from."""
WINDOW_SPACING = 1.0
"""Minimum seconds between them, which makes a window of a minute, or of 60 slow steps."""


def fold(state: RunState, events: Iterable[Event]) -> RunState:
    """Return `state` after `events`, in time proportional to the batch plus the series it extends.

    Ignores events that were folded before (by `seq`: a tail reads a replaced file again), unknown
    kinds, and fields of the wrong type.
    """
    draft = _Draft(state)
    for event in events:
        draft.take(event)
    return draft.finish()


class _Draft:
    """A mutable copy of a state. Each field is copied at most once per batch."""

    def __init__(self, state: RunState) -> None:
        self._base = state
        self._changed: dict[str, Any] = {}
        self._lists: dict[str, list[Any]] = {}
        self._series: dict[str, list[Point]] = {}
        self._widths = dict(state.series_widths)
        self._warning_index: dict[str, int] = {}

    def finish(self) -> RunState:
        changed: dict[str, Any] = dict(self._changed)
        changed |= {name: tuple(items) for name, items in self._lists.items()}
        if self._series:
            series = dict(self._base.series)
            series |= {name: tuple(points) for name, points in self._series.items()}
            changed["series"] = MappingProxyType(series)
            changed["series_widths"] = MappingProxyType(self._widths)
        return replace(self._base, **changed)

    def take(self, event: Event) -> None:
        if event.kind == UNREADABLE:
            self._set(unreadable_lines=self._get("unreadable_lines") + 1)
            return
        if event.seq <= self._get("last_seq"):
            return
        if handler := _HANDLERS.get(event.kind):
            handler(self, event.t, event.data)
        if self._get("started") is None:
            self._set(started=event.t)
        self._set(updated=event.t, last_seq=event.seq)

    def phase(self, t: float, data: Mapping[str, object]) -> None:
        name, new_process = _text(data.get("name")), data.get("name") == STARTING
        # A killed process could not end its phase: it lasted until its last event.
        self._end_phase(self._get("updated") if new_process else t)
        detail = _text(data.get("detail"))
        self._list("phases").append(Phase(name, detail, t))
        self._set(phase=name, phase_detail=detail, progress=Progress())
        self._list("throughput_window").clear()
        self._set(attempts=self._get("attempts") + new_process)
        if new_process or self._get("verdict") is not None:
            self._set(verdict=None, error=None, ended=None, results=MappingProxyType({}))
        if name == RESUMED and (step := finite_integer(data.get("step"))) is not None:
            self._rewind(step)

    def progress(self, t: float, data: Mapping[str, object]) -> None:
        done = finite_integer(data.get("done"))
        if done is None:
            return
        now = Progress(done, finite_integer(data.get("total")), _text(data.get("unit")))
        window, before = self._list("throughput_window"), self._get("progress")
        if now.unit != before.unit or done < before.done:
            window.clear()
        if len(window) >= 2 and window[-1][0] - window[-2][0] < WINDOW_SPACING:
            window.pop()
        window.append((t, done))
        del window[:-WINDOW_POINTS]
        self._set(progress=now)
        if now.unit == "steps":
            self._set(step=done, total_steps=now.total)

    def metric(self, t: float, data: Mapping[str, object]) -> None:
        step = finite_integer(data.get("step"))
        if step is None:
            step = self._get("step") or 0
        self._set(step=step)
        for name, value in data.items():
            number = finite_number(value)
            if number is None or name == "step":
                continue
            if name == "epoch":
                self._set(epoch=number)
            else:
                self._add_point(name, step, number)
        nonfinite = data.get("nonfinite")
        if isinstance(nonfinite, Mapping):
            for name, value in nonfinite.items():
                self._warn(f"{name} was {value}", t, step)

    def memory(self, t: float, data: Mapping[str, object]) -> None:
        now = {name: finite_integer(data.get(name)) for name in _MEMORY}
        before = self._get("peak_memory")
        peak: dict[str, int | None] = {}
        for name in _MEMORY:
            values = (now[name], finite_integer(data.get(f"{name}_peak")), getattr(before, name))
            peak[name] = max((value for value in values if value is not None), default=None)
        self._set(memory=Memory(**now), peak_memory=Memory(**peak))
        if isinstance(gpu := data.get("gpu"), Mapping):
            self._gpu(gpu, finite_integer(data.get("step")))

    def _gpu(self, data: Mapping[str, object], step: int | None) -> None:
        integers = ("index", "total", "utilisation", "temperature")
        numbers = ("power", "power_limit")
        gpu = Gpu(
            name=_text(data.get("name")),
            **{name: finite_integer(data.get(name)) for name in integers},
            **{name: finite_number(data.get(name)) for name in numbers},
        )
        self._set(gpu=gpu)
        if step is None:
            return
        for name, value in (("gpu_utilisation", gpu.utilisation), ("gpu_power", gpu.power)):
            if value is not None:
                self._add_point(name, step, float(value))

    def drawn(self, t: float, data: Mapping[str, object]) -> None:
        counts = {name: finite_integer(data.get(name)) or 0 for name in _DRAWN}
        reasons = data.get("left_out")
        left_out = {
            reason: count
            for reason, value in (reasons.items() if isinstance(reasons, Mapping) else ())
            if (count := finite_integer(value)) is not None
        }
        self._set(drawn=Drawn(**counts, left_out=MappingProxyType(left_out)))

    def page(self, t: float, data: Mapping[str, object]) -> None:
        self._set(first_page=_lines(data.get("lines")))

    def estimate(self, t: float, data: Mapping[str, object]) -> None:
        self._set(predicted=Predicted.from_json(data))

    def measured(self, t: float, data: Mapping[str, object]) -> None:
        self._set(measured=Measured.from_json(data))

    def sample(self, t: float, data: Mapping[str, object]) -> None:
        texts = (_text(data.get(name)) for name in ("input", "target", "output", "when"))
        page, step = _lines(data.get("page")), finite_integer(data.get("step"))
        is_cut = data.get("is_cut") is True  # not in runs of earlier versions
        self._list("samples").append(Sample(*texts, step=step, page=page, is_cut=is_cut))

    def checkpoint(self, t: float, data: Mapping[str, object]) -> None:
        path, step = _text(data.get("path")), finite_integer(data.get("step"))
        if path and step is not None:
            checkpoints = self._list("checkpoints")
            checkpoints[:] = [item for item in checkpoints if item.path != path]
            checkpoints.append(Checkpoint(path, step))

    def warning(self, t: float, data: Mapping[str, object]) -> None:
        self._warn(_text(data.get("message")), t, self._get("step"))

    def error(self, t: float, data: Mapping[str, object]) -> None:
        texts = (_text(data.get(name)) for name in ("class", "message", "advice"))
        settings = data.get("changes")
        changes = dict(settings) if isinstance(settings, Mapping) else {}
        self._set(error=ErrorReport(*texts, changes=MappingProxyType(changes)))

    def done(self, t: float, data: Mapping[str, object]) -> None:
        self._end_phase(t)
        results = {name: value for name, value in data.items() if name != "verdict"}
        self._set(verdict=_text(data.get("verdict")), ended=t, results=MappingProxyType(results))

    def _get(self, name: str) -> Any:
        return self._changed[name] if name in self._changed else getattr(self._base, name)

    def _set(self, **changed: object) -> None:
        self._changed |= changed

    def _list(self, name: str) -> list[Any]:
        if name not in self._lists:
            self._lists[name] = list(getattr(self._base, name))
        return self._lists[name]

    def _points(self, name: str) -> list[Point]:
        if name not in self._series:
            self._series[name] = list(self._base.series.get(name, ()))
        return self._series[name]

    def _add_point(self, name: str, step: int, value: float) -> None:
        width = self._widths.get(name, 1)
        self._widths[name] = _extend(self._points(name), step, value, width)

    def _end_phase(self, t: float) -> None:
        phases = self._list("phases")
        if phases and phases[-1].ended is None:
            phases[-1] = replace(phases[-1], ended=t)

    def _rewind(self, step: int) -> None:
        for name in {*self._base.series, *self._series}:
            points = self._points(name)
            del points[bisect_left(points, (step + 1,)) :]
        for name in ("checkpoints", "samples"):
            items = self._list(name)
            items[:] = [item for item in items if item.step is None or item.step <= step]
        self._set(step=step)

    def _warn(self, message: str, t: float, step: int | None) -> None:
        warnings = self._list("warnings")
        if len(self._warning_index) != len(warnings):
            self._warning_index = {warning.message: i for i, warning in enumerate(warnings)}
        if (i := self._warning_index.get(message)) is not None:
            warnings[i] = replace(warnings[i], count=warnings[i].count + 1)
        else:
            self._warning_index[message] = len(warnings)
            warnings.append(WarningCount(message, t, step))


_HANDLERS = {
    "phase": _Draft.phase,
    "progress": _Draft.progress,
    "metric": _Draft.metric,
    "memory": _Draft.memory,
    "estimate": _Draft.estimate,
    "measured": _Draft.measured,
    "drawn": _Draft.drawn,
    "page": _Draft.page,
    "sample": _Draft.sample,
    "checkpoint": _Draft.checkpoint,
    "warning": _Draft.warning,
    "error": _Draft.error,
    "done": _Draft.done,
}
_MEMORY = tuple(field.name for field in fields(Memory))
_DRAWN = ("documents", "pages", "rows")


def _extend(points: list[Point], step: int, value: float, width: int) -> int:
    """Append a point. If its step is not beyond the last one, later points are removed first.

    With a `width` of more than one step, a part of so many steps keeps its smallest, its largest
    and its last point. Returns the width from then on, doubled when there are too many points.
    """
    if points and points[-1][0] >= step:
        del points[bisect_left(points, (step,)) :]
    points.append((step, value))
    if width > 1 and len(points) > 1:
        last = points[max(1, len(points) - 4) :]
        part = [point for point in last if point[0] // width == step // width]
        points[-len(part) :] = _peaks(part)
    while len(points) > MAX_POINTS:
        width *= 2
        parts = groupby(points[1:], key=lambda point: point[0] // width)
        points[1:] = [point for _, part in parts for point in _peaks(list(part))]
    return width


def _peaks(part: list[Point]) -> list[Point]:
    smallest, largest = min(part, key=itemgetter(1)), max(part, key=itemgetter(1))
    return sorted({smallest, largest, part[-1]})


def _lines(value: object) -> tuple[str, ...]:
    return tuple(map(_text, value)) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
