"""What a dataset run has drawn, and why documents were left out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.tui.run_view.reader import RunSnapshot
from deepsynth_tui.tui.run_view.state_line import state_line
from deepsynth_tui.units import format_bytes

LabelledText = tuple[str, str]


def drawn_figures(snapshot: RunSnapshot) -> tuple[LabelledText, ...]:
    """Return progress, rate and counts of a dataset run, each with its label."""
    return tuple(_drawn_figures(snapshot))


def _drawn_figures(snapshot: RunSnapshot) -> Iterator[LabelledText]:
    state, line = snapshot.state, dict(state_line(snapshot).details)
    if text := line.get(1):
        yield "progress", f"{text}  {line.get(3, '')}".strip()
    if rate := line.get(4):
        yield "rate", rate
    if end := line.get(2):
        yield "time", end
    for name in ("documents", "pages", "rows"):
        if (count := _count(state, name)) is not None:
            yield f"{name} written", f"{count:,}"
    now, peak = state.memory.host, state.peak_memory.host
    if now is not None and peak is not None:
        yield "memory", f"{format_bytes(now)}, peak {format_bytes(peak)}"
    if state.phase_detail:
        yield state.phase, sanitize(state.phase_detail)


def _count(state: RunState, name: str) -> int | None:
    value = state.results.get(name)
    if isinstance(value, int):
        return value
    return getattr(state.drawn, name) if state.drawn is not None else None


def left_out(state: RunState) -> tuple[LabelledText, ...]:
    """Return why documents were left out, with their number, most first; then all warnings."""
    reasons = state.drawn.left_out if state.drawn is not None else {}
    lines = [
        (f"{count:,}", sanitize(reason))
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]
    lines += [
        ("!" if warning.count == 1 else f"! x{warning.count}", sanitize(warning.message))
        for warning in state.warnings
    ]
    if lines:
        return tuple(lines)
    return (("none", "" if state.ended else "so far"),)
