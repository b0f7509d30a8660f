"""The state of a run as its events describe it: everything that a screen shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted

Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (None: unknown) `unit`s."""

    done: int = 0
    total: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the work. Times are in seconds since the epoch; `ended` is None while it lasts."""

    name: str
    detail: str
    started: float
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; None if not measured."""

    allocated: int | None = None
    reserved: int | None = None
    device: int | None = None
    host: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU of a run and what it reported last; None for what it does not report.

    `total` is its memory in bytes, `utilisation` in percent, `power` and `power_limit` in watts,
    `temperature` in °C.
    """

    name: str = ""
    index: int | None = None
    total: int | None = None
    utilisation: int | None = None
    power: float | None = None
    power_limit: float | None = None
    temperature: int | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a dataset run has written so far, and the number of documents left out by reason."""

    documents: int = 0
    pages: int = 0
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Sample:
    """The model's output for one input. `when` is "before", "during" or "after" training. `page` is
    the first page as lines of braille, if the job reported it. `is_cut`: the output ended only
    because of a limit."""

    input: str
    target: str
    output: str
    when: str
    step: int | None
    page: Sequence[str] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was completed; it may have been deleted since to save space. `path` is
    relative to the run directory, or absolute."""

    path: str
    step: int


@dataclass(frozen=True, slots=True)
class WarningCount:
    """A warning and how often it occurred; `t` and `step` are those of the first time."""

    message: str
    t: float
    step: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """Why the run failed; see `job.Failure`."""

    class_name: str
    message: str
    advice: str
    changes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything a screen shows of a run. Times are in seconds since the epoch.

    Texts are as the job wrote them: pass them through `console.sanitize` before printing them.
    `series` maps the name of each metric to its (step, value) points, with strictly increasing
    steps and finite values. Of a long series, each part of `series_widths` steps has its smallest,
    its largest and its last point only. `throughput_window` holds recent (time, done) points of
    the progress. `gpu` is None without a GPU. `drawn` and `first_page`, lines of braille, are those
    of a dataset run. `attempts` counts the processes that worked on the run.
    """

    phase: str = ""
    phase_detail: str = ""
    phases: Sequence[Phase] = ()
    progress: Progress = Progress()
    throughput_window: Sequence[tuple[float, int]] = ()
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    series: Mapping[str, Sequence[Point]] = field(default_factory=lambda: MappingProxyType({}))
    series_widths: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    memory: Memory = Memory()
    peak_memory: Memory = Memory()
    gpu: Gpu | None = None
    drawn: Drawn | None = None
    first_page: Sequence[str] = ()
    predicted: Predicted | None = None
    measured: Measured | None = None
    samples: Sequence[Sample] = ()
    checkpoints: Sequence[Checkpoint] = ()
    warnings: Sequence[WarningCount] = ()
    error: ErrorReport | None = None
    verdict: str | None = None
    results: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    attempts: int = 0
    started: float | None = None
    updated: float | None = None
    ended: float | None = None
    last_seq: int = 0
    unreadable_lines: int = 0

    @property
    def first_loss(self) -> float | None:
        """The first training loss; None before there is one."""
        return _value(self.series.get("loss", ()), 0)

    @property
    def last_loss(self) -> float | None:
        """The latest finite training loss."""
        return _value(self.series.get("loss", ()), -1)

    @property
    def learning_rate(self) -> float | None:
        """The latest learning rate."""
        return _value(self.series.get("learning_rate", ()), -1)


def throughput(state: RunState) -> tuple[float, str] | None:
    """Return units per second over the recent window, and the unit; None without a window."""
    window = state.throughput_window
    if len(window) < 2:
        return None
    (t0, done0), (t1, done1) = window[0], window[-1]
    if t1 <= t0 or done1 <= done0:
        return None
    return (done1 - done0) / (t1 - t0), state.progress.unit


def eta_seconds(state: RunState) -> float | None:
    """Return the seconds left in this phase at the present rate, from the last progress on.

    None if unknown, or if the run has ended.
    """
    rate, total = throughput(state), state.progress.total
    if rate is None or total is None or state.verdict is not None:
        return None
    return max(0, total - state.progress.done) / rate[0]


def _value(points: Sequence[Point], index: int) -> float | None:
    return points[index][1] if points else None
