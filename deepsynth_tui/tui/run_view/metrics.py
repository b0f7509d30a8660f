"""The metrics that the panes of a monitor show, as curves and texts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import Point, RunState

MAX_SHOWN = 4
"""Panes for metrics beside the loss."""
DEFAULT_METRICS = ("learning_rate", "grad_norm", "eval_exact_match", "eval_cer")
"""The metrics that are shown until the user chooses others."""
_IN_CHART = frozenset({"loss", "eval_loss"})
"""The metrics that have a chart of their own."""
SMOOTHING = 0.8
"""Weight of the past in the smoothed loss, as in TensorBoard with the setting 0.8."""


@dataclass(frozen=True, slots=True)
class _Metric:
    label: str
    text: Callable[[float], str]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if 0 < value < 0.1 else f"{100 * value:.0f} %"


_METRICS: Mapping[str, _Metric] = {
    "learning_rate": _Metric("lr", lambda value: f"{value:.1e}"),
    "grad_norm": _Metric("grad norm", lambda value: f"{value:.3g}"),
    "eval_exact_match": _Metric("exact", _percent),
    "eval_cer": _Metric("CER", _percent),
    "eval_rouge_l": _Metric("ROUGE-L", lambda value: f"{value:.3f}"),
    "eval_cut_answers": _Metric("cut answers", lambda value: f"{value:.0f}"),
    "tokens_per_second": _Metric("tokens/s", lambda value: f"{value:,.0f}"),
    "data_wait": _Metric("data wait", _percent),
    "padding": _Metric("padding", _percent),
    "padding_avoided": _Metric("padding avoided", _percent),
    "gpu_utilisation": _Metric("GPU utilisation", lambda value: f"{value:.0f} %"),
    "gpu_power": _Metric("GPU power", lambda value: f"{value:.0f} W"),
}


@dataclass(frozen=True, slots=True)
class MetricCurve:
    """A metric with its points, its last value as text, and the first one of an evaluation."""

    name: str
    label: str
    points: Sequence[Point]
    text: str
    first: str = ""


def load_choice(path: Path) -> tuple[str, ...]:
    """Return the metrics that the user chose last; the usual ones if there is no valid choice."""
    try:
        names = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return DEFAULT_METRICS
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return DEFAULT_METRICS
    return tuple(names[:MAX_SHOWN])


def save_choice(path: Path, names: Sequence[str]) -> None:
    """Keep the chosen metrics; a folder that cannot be written forgets them."""
    with contextlib.suppress(OSError):
        atomic.replace(path, json.dumps(names).encode())


def metric_label(name: str) -> str:
    """Return how a metric is called on screen."""
    return _METRICS[name].label if name in _METRICS else sanitize(name.replace("_", " "))


def available_metrics(state: RunState) -> tuple[str, ...]:
    """Return the metrics that can be shown: those known, and any other that the run reported."""
    others = (name for name in state.series if name not in _METRICS and name not in _IN_CHART)
    return (*_METRICS, *sorted(others))


def metric_curves(state: RunState, names: Sequence[str]) -> Iterator[MetricCurve]:
    """Yield the curves of these metrics; one that was not reported yet has no points."""
    for name in names:
        metric = _METRICS.get(name) or _Metric(metric_label(name), lambda value: f"{value:.4g}")
        points = state.series.get(name, ())
        text, first = "none yet", ""
        if points:
            text = metric.text(points[-1][1])
            if name.startswith("eval_") and len(points) > 1:
                first = metric.text(points[0][1])
        yield MetricCurve(name, metric.label, points, text, first)


def smooth(points: Sequence[Point], weight: float = SMOOTHING) -> list[Point]:
    """Return the exponential moving average of the values, corrected for its start at zero."""
    averages = accumulate(
        (value for _, value in points),
        lambda average, value: weight * average + (1 - weight) * value,
        initial=0.0,
    )
    next(averages)
    return [
        (step, average / (1 - weight**count))
        for count, ((step, _), average) in enumerate(zip(points, averages, strict=True), 1)
    ]


def best_point(points: Sequence[Point]) -> Point | None:
    """Return the lowest point, the earliest of equal ones; None without points."""
    return min(points, key=lambda point: (point[1], point[0]), default=None)


def value_at(points: Sequence[Point], step: int) -> float | None:
    """Return the value at the last point up to `step`; None before the first."""
    return next((value for at, value in reversed(points) if at <= step), None)
