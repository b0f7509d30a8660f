"""What a run that needs the reader has to say: how it ended and what to do next, in a box."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.text import Text
from textual.widgets import Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.run_view.crash_cause import likely_cause
from deepsynth_tui.tui.run_view.labels import STATES, size
from deepsynth_tui.tui.run_view.reader import Snapshot
from deepsynth_tui.tui.widgets.label_grid import pairs

Lines = Sequence[tuple[str, str]]
"""What a box says: labels, which may be "", and texts."""
LAST_LINES = 20
"""Lines of the console that the cause of a crash is looked for in, and that are then on screen."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A title, the theme colour of the box, and what it says: texts, then labelled texts."""

    title: str
    colour: str
    texts: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


def outcome(snapshot: Snapshot, last_lines: Sequence[str]) -> Outcome | None:
    """What there is to say about the state of `snapshot`; None while a run simply runs.

    `last_lines` of the console tell the likely cause of a crash.
    """
    said = _said(snapshot, last_lines)
    if said is None:
        return None
    title, lines = said
    cleaned = [(label, sanitize(part)) for label, text in lines for part in _split(text)]
    return Outcome(
        title=title,
        colour=STATES[snapshot.summary.state].colour,
        texts=tuple(text for label, text in cleaned if not label),
        pairs=tuple((label, text) for label, text in cleaned if label),
    )


def _said(snapshot: Snapshot, last_lines: Sequence[str]) -> tuple[str, Lines] | None:
    match snapshot.summary.state:
        case "done":
            return "what it left", _left(snapshot)
        case "stopped":
            return "stopped", _stopped(snapshot)
        case "failed":
            return "why it failed", _failed(snapshot)
        case "crashed":
            return "why it may have crashed", _crashed(snapshot, last_lines)
        case "unresponsive":
            stop = key_of("monitor.stop")
            return "not responding", [
                ("", f"{snapshot.summary.message}."),
                ("", f"It may hang in a driver or on a disk. {stop} offers to end it."),
            ]
        case "waiting":
            return "waiting for another run", _waiting(snapshot)
        case _:
            return None


class OutcomeBox(Static):
    """Shows an `Outcome`; takes no room while there is none."""

    DEFAULT_CSS = """
    OutcomeBox {
        height: auto;
        max-height: 12;
        padding: 0 1;
        display: none;
        border: round $panel;
        &.-success { border: round $success; }
        &.-warning { border: round $warning; }
        &.-error { border: round $error; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: Outcome | None = None

    def show(self, what: Outcome | None) -> None:
        """Show `what`, or nothing."""
        if what == self._shown:
            return
        self._shown = what
        self.display = what is not None
        if what is None:
            return
        for name in ("success", "warning", "error"):
            self.set_class(what.colour == f"${name}", f"-{name}")
        self.border_title = what.title
        self.update(Group(*map(Text, what.texts), pairs(what.pairs)))


def _left(snapshot: Snapshot) -> Lines:
    """What a completed run leaves, and how to use it."""
    results = snapshot.state.results
    if snapshot.identity.kind == "dataset":
        folder = str(results.get("dataset", snapshot.run.dataset))
        lines = [
            ("dataset", folder),
            ("load it", f'datasets.load_dataset("{folder}")'),
            ("next", f"{key_of('monitor.train')} trains on it"),
        ]
        if hub := results.get("hub"):
            lines.insert(1, ("on the Hub", str(hub)))
        return lines
    hub = results.get("hub")
    return [
        *_weights(snapshot),
        *([("on the Hub", str(hub))] if hub else []),
        *_checked(results.get("verification")),
        ("samples", f"{key_of('monitor.samples')} shows what the model answers now"),
    ]


def _checked(verification: object) -> Lines:
    """What came out when the weights on disk were loaded again and compared."""
    if not isinstance(verification, Mapping):
        return []
    if verification.get("changes_the_base"):
        return [
            (
                "checked",
                "Loaded again from disk, it answers as the trained model does, and not as the "
                "base model.",
            )
        ]
    return [
        ("checked", "Loaded again from disk, it answers as the base model does: no effect yet.")
    ]


def _weights(snapshot: Snapshot) -> list[tuple[str, str]]:
    folder = str(snapshot.state.results.get("path", snapshot.run.adapter))
    if Path(folder).name == snapshot.run.adapter.name:
        return [
            ("adapter", folder),
            ("load it", f'peft.PeftModel.from_pretrained(model, "{folder}")'),
        ]
    loader = "AutoModelForImageTextToText"
    return [("model", folder), ("load it", f'transformers.{loader}.from_pretrained("{folder}")')]


def _stopped(snapshot: Snapshot) -> Lines:
    results = snapshot.state.results
    if snapshot.identity.kind == "dataset":
        lines = [("", "Stopped before the dataset was whole.")]
        if partial := results.get("partial"):
            lines.append(("made so far", str(partial)))
        return [*lines, *_resume(snapshot)]
    lines = [("", f"Stopped at step {snapshot.state.step or 0}.")]
    if "path" in results:
        lines += [*_weights(snapshot), *_checked(results.get("verification"))]
    return [*lines, *_resume(snapshot)]


def _failed(snapshot: Snapshot) -> Lines:
    error = snapshot.state.error
    if error is None:
        return [("", "It failed without saying why; the log below may.")]
    lines = [("", error.message), ("what to do", error.advice), *_resume(snapshot)]
    if error.changes:
        changes = ", ".join(f"{key}: {json.dumps(to)}" for key, to in error.changes.items())
        lines.insert(1, (f"{key_of('monitor.retry')} retries", f"with {changes}"))
    return lines


def _crashed(snapshot: Snapshot, last_lines: Sequence[str]) -> Lines:
    if snapshot.state.started is None and not last_lines:
        return [("", f"{snapshot.summary.message}.")]
    held = snapshot.state.memory.host
    cause = likely_cause(
        last_lines,
        killed_for_memory=snapshot.summary.killed_for_memory,
        host_memory=size(held) if held else "",
    )
    return [
        ("", "The process is gone without a word. The log below holds its last lines."),
        ("likely cause", cause),
        *_resume(snapshot),
    ]


def _waiting(snapshot: Snapshot) -> Lines:
    other = snapshot.predecessor
    if other is None:
        return [("", f"It waits {snapshot.state.phase_detail}.")]
    done = ""
    if other.unit:
        of = f" of {other.total:,}" if other.total is not None else ""
        done = f", {other.done:,}{of} {other.unit}"
    word = STATES[other.state].word
    return [("waits for", f"{other.name}: {word}, {other.phase}{done}")]


def _resume(snapshot: Snapshot) -> list[tuple[str, str]]:
    """What a run can go on from: a dataset its finished shards, a training run a checkpoint."""
    if snapshot.identity.kind == "dataset":
        return [("go on", f"deepsynth-tui generate {snapshot.run.config} --resume")]
    if not snapshot.state.checkpoints:
        return []
    step = snapshot.state.checkpoints[-1].step
    command = f"deepsynth-tui train {snapshot.run.config} --resume"
    return [("go on", f"{command}  (from step {step})")]


def _split(text: str) -> list[str]:
    """The lines of a text that have something in them; "" gives none."""
    return [line for line in text.splitlines() if line.strip()]
