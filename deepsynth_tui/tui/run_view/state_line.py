"""The line of state of a run: what it does, how far it is, how fast, and when it ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import throughput
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.tui.run_view.reader import RunSnapshot
from deepsynth_tui.units import format_rate


@dataclass(frozen=True, slots=True)
class StateLineTexts:
    """Texts of the line of state, empty where unknown.

    Attributes:
        state: Symbol and word; a run that works shows its phase in place of "running".
        colour: Theme colour of the state.
        fraction: Of the present phase, from 0 to 1; None if unknown.
        details: Further texts, in the order in which they are shown, each with a priority: the
            highest are left out first where the line is too short.
    """

    state: str
    colour: str
    name: str
    fraction: float | None
    details: tuple[tuple[int, str], ...]


def state_line(snapshot: RunSnapshot) -> StateLineTexts:
    """Return the line of state of a run."""
    label = STATE_LABELS[snapshot.summary.state]
    progress = snapshot.state.progress
    details = [
        (1, _progress(snapshot)),
        (3, _percent(snapshot)),
        (4, _rate(snapshot)),
        (2, _end(snapshot)),
        (5, _detail(snapshot)),
        (6, _place(snapshot)),
    ]
    return StateLineTexts(
        state=f"{label.symbol} {_word(snapshot, label.text)}",
        colour=label.colour,
        name=sanitize(snapshot.identity.name),
        fraction=progress.done / (progress.total or 1) if _is_counting(snapshot) else None,
        details=tuple((priority, text) for priority, text in details if text),
    )


def _word(snapshot: RunSnapshot, label: str) -> str:
    if snapshot.summary.state == "stopping" and snapshot.request == "stop-after-checkpoint":
        return "stopping after the next checkpoint"
    if snapshot.summary.state == "running":
        return sanitize(snapshot.state.phase) or label
    return label


def _progress(snapshot: RunSnapshot) -> str:
    """Return `step 42/120` of training, at its end too; `12/40 documents` of anything else."""
    state = snapshot.state
    progress = state.progress
    if progress.unit == "steps" or (not snapshot.summary.is_live and state.step is not None):
        done, total = (state.step or 0), state.total_steps
        return f"step {done:,}/{total:,}" if total is not None else f"step {done:,}"
    if not progress.unit:
        return ""
    unit = sanitize(progress.unit)
    if progress.total is None:
        return f"{progress.done:,} {unit}"
    return f"{progress.done:,}/{progress.total:,} {unit}"


def _percent(snapshot: RunSnapshot) -> str:
    progress = snapshot.state.progress
    if not progress.total or not _is_counting(snapshot):
        return ""
    return f"{100 * progress.done // progress.total} %"


def _is_counting(snapshot: RunSnapshot) -> bool:
    """Whether a live run has counted a part of its total: of work that goes on after the last unit,
    nobody knows how much is left."""
    progress = snapshot.state.progress
    return snapshot.summary.is_live and 0 <= progress.done < (progress.total or 0)


def _rate(snapshot: RunSnapshot) -> str:
    if not snapshot.summary.is_live or not (speed := throughput(snapshot.state)):
        return ""
    return sanitize(format_rate(*speed))


def _end(snapshot: RunSnapshot) -> str:
    """Return when the phase ends, or how long an ended run took."""
    if snapshot.eta:
        return f"ends {snapshot.end_clock} ({snapshot.eta})"
    if not snapshot.elapsed:
        return ""
    return snapshot.elapsed if snapshot.summary.is_live else f"took {snapshot.elapsed}"


def _detail(snapshot: RunSnapshot) -> str:
    if snapshot.percent_read is not None:
        return f"reading the log, {snapshot.percent_read} %"
    is_training = snapshot.state.phase == "training"
    if snapshot.summary.state != "running" or is_training:
        return ""
    return sanitize(snapshot.state.phase_detail)


def _place(snapshot: RunSnapshot) -> str:
    """Return the nodes of a batch job, such as `on n[1-2] (Slurm 4711)`."""
    if snapshot.summary.state not in ("starting", "running", "stopping"):
        return ""
    return sanitize(snapshot.summary.message)
