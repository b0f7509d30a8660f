"""The text of the outcome box: why a run ended or waits, and what to do next. Pure.

A completed run has a line of its own, see `result_line`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.run_view.crash_cause import likely_cause
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.tui.run_view.reader import RunSnapshot
from deepsynth_tui.units import format_bytes

CAUSE_LINES = 20
"""How many of the console's last lines are searched for the cause of a crash."""

LabelledText = tuple[str, str]
"""A label, which may be empty, and its text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Content of the outcome box: title, theme colour, paragraphs, then labelled rows."""

    title: str
    colour: str
    paragraphs: tuple[str, ...]
    rows: tuple[LabelledText, ...]


def describe_outcome(snapshot: RunSnapshot, last_lines: Sequence[str]) -> Outcome | None:
    """Return the outcome of a run, or None while it is running normally.

    Args:
        snapshot: The run.
        last_lines: Last lines of its console, from which the cause of a crash is guessed.
    """
    content = _title_and_texts(snapshot, last_lines)
    if content is None:
        return None
    title, texts = content
    lines = [
        (label, sanitize(line))
        for label, text in texts
        for line in text.splitlines()
        if line.strip()
    ]
    return Outcome(
        title=title,
        colour=STATE_LABELS[snapshot.summary.state].colour,
        paragraphs=tuple(text for label, text in lines if not label),
        rows=tuple((label, text) for label, text in lines if label),
    )


def _title_and_texts(
    snapshot: RunSnapshot, last_lines: Sequence[str]
) -> tuple[str, list[LabelledText]] | None:
    match snapshot.summary.state:
        case "stopped":
            return "Stopped", _stopped(snapshot)
        case "failed":
            return "Error", _error(snapshot)
        case "crashed":
            return "Crashed", _crash(snapshot, last_lines)
        case "unresponsive":
            stop = key_of("monitor.stop")
            return "Not responding", [
                ("", f"{snapshot.summary.message}."),
                ("", f"It may be blocked by a driver or a disk. {stop} offers to end it."),
            ]
        case "unreadable":
            return "Unreadable", [("", f"This run cannot be read: {snapshot.summary.message}.")]
        case "queued":
            return "In the queue", _queued(snapshot)
        case "waiting":
            is_after = snapshot.identity.after is not None
            return "Waiting for another run" if is_after else "Waiting", _waiting(snapshot)
        case _:
            return None


def _queued(snapshot: RunSnapshot) -> list[LabelledText]:
    """Return the position of a run in the queue, and why it does not start."""
    position = snapshot.summary.position
    return [
        *([("Position", str(position))] if position else []),
        *([("", snapshot.summary.message)] if snapshot.summary.message else []),
    ]


def _stopped(snapshot: RunSnapshot) -> list[LabelledText]:
    results = snapshot.state.results
    if snapshot.identity.kind == "dataset":
        lines = [("", "Stopped before the dataset was complete.")]
        if partial := results.get("partial"):
            lines.append(("Partial dataset", str(partial)))
        return [*lines, *_resume(snapshot)]
    return [("", f"Stopped at step {snapshot.state.step or 0}."), *_resume(snapshot)]


def _error(snapshot: RunSnapshot) -> list[LabelledText]:
    error = snapshot.state.error
    if error is None:
        return [("", "The run failed without an error message. See the log below.")]
    lines = [("", error.message), ("What to do", error.advice), *_resume(snapshot)]
    if error.changes:
        changes = ", ".join(f"{key}: {json.dumps(to)}" for key, to in error.changes.items())
        lines.insert(1, (key_of("monitor.retry"), f"Retry with {changes}"))
    return lines


def _crash(snapshot: RunSnapshot, last_lines: Sequence[str]) -> list[LabelledText]:
    if snapshot.state.started is None and not last_lines:
        return [("", f"{snapshot.summary.message}.")]
    held = snapshot.state.memory.host
    cause = likely_cause(
        last_lines,
        killed_for_memory=snapshot.summary.killed_for_memory,
        host_memory=format_bytes(held) if held else "",
    )
    return [
        ("", "The process ended without an error message. Its last lines are below."),
        ("Likely cause", cause),
        *_resume(snapshot),
    ]


def _waiting(snapshot: RunSnapshot) -> list[LabelledText]:
    other = snapshot.predecessor
    if other is None:
        return [("", f"Waiting {snapshot.state.phase_detail}.")]
    progress = ""
    if other.unit:
        total = f" of {other.total:,}" if other.total is not None else ""
        progress = f", {other.done:,}{total} {other.unit}"
    state = STATE_LABELS[other.state].text
    return [("Waiting for", f"{other.name}: {state}, {other.phase}{progress}")]


def _resume(snapshot: RunSnapshot) -> list[LabelledText]:
    """Return how to resume: a dataset from its finished shards, training from a checkpoint."""
    key, config = key_of("monitor.resume"), snapshot.run.config
    if snapshot.identity.kind == "dataset":
        command = f"deepsynth-tui generate {config} --resume"
        return [(key, f"Resume after the finished shards ({command})")]
    if not snapshot.state.checkpoints:
        return [(key, "Start again: there is no checkpoint")]
    step = snapshot.state.checkpoints[-1].step
    command = f"deepsynth-tui train {config} --resume"
    return [(key, f"Resume from step {step} ({command})")]
