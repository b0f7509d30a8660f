"""The dialog that stops a run: it names the run, and says of each way what becomes of the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from deepsynth_tui.runs import control
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.actions import bindings, key_of

Way = Literal["checkpoint", "now", "force"]
GRACE = 10.0
"""Seconds that a run which is ended by force has to end by itself, and again after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to stop: the id of its action, its label, and what becomes of the work."""

    way: Way
    action: str
    label: str
    consequence: str


def choices(summary: RunSummary, pending: control.Request | None) -> tuple[Choice, ...]:
    """The ways that make sense for a run in this state."""
    training = summary.kind == "training"
    at_work = summary.state in ("running", "stopping")
    found: list[Choice] = []
    if at_work and pending is None:
        label, consequence = (
            ("After the next checkpoint", "It goes on up to its next checkpoint and ends there.")
            if training
            else ("After this shard", "It completes the shard that it writes and ends there.")
        )
        found.append(Choice("checkpoint", "stop.checkpoint", label, consequence))
    if pending != "stop" and summary.state != "unresponsive":
        if not at_work:
            consequence = "It has not begun its work yet."
        elif training:
            consequence = "It ends with this step, after saving a checkpoint."
        else:
            consequence = "It ends with this page; nothing drawn is deleted."
        found.append(Choice("now", "stop.now", "Now", consequence))
    else:
        consequence = "Work since the last checkpoint is lost."
        found.append(Choice("force", "stop.now", "End the process", consequence))
    return tuple(found)


def stop(run: RunDirectory, way: Way) -> str:
    """Do it, and return what to tell the reader. Blocks while a process is ended by force.

    Raises control.NotStopped.
    """
    if way == "force":
        return f"Ended: {control.stop_and_wait(run, grace=GRACE).value}"
    control.request_stop(run, now=way == "now")
    return "Asked to stop" if way == "now" else "Asked to stop after the next checkpoint"


class StopDialog(ModalScreen[Way | None]):
    """Gives back the way chosen, None when closed. Esc closes it and stops nothing."""

    DEFAULT_CSS = """
    StopDialog {
        align: center middle;
        & > #dialog {
            width: 66;
            max-width: 94%;
            height: auto;
            padding: 1 2;
            border: round $warning;
            background: $surface;
        }
        & OptionList {
            height: auto;
            margin-top: 1;
            padding: 0;
            border: none;
            background: transparent;
            &:focus { border: none; background-tint: $foreground 0%; }
        }
    }
    """
    BINDINGS = bindings("stop_dialog")

    def __init__(self, summary: RunSummary, pending: control.Request | None) -> None:
        super().__init__()
        self._run_name = sanitize(summary.name)
        self._choices = choices(summary, pending)

    def compose(self) -> ComposeResult:
        """The question, the ways, and the way out."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "stop this run?"
            yield Static(Content.assemble("This stops the run ", (self._run_name, "bold"), "."))
            ways = [
                _option(key_of(choice.action), choice.label, choice.consequence)
                for choice in self._choices
            ]
            yield OptionList(*ways, _option(key_of("stop.close"), "Close", "The run goes on."))

    def action_choose(self, action: str) -> None:
        """Choose a way by the id of its action."""
        for choice in self._choices:
            if choice.action == action:
                self.dismiss(choice.way)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        chosen = self._choices[event.option_index :][:1]
        self.dismiss(chosen[0].way if chosen else None)


def _option(key: str, label: str, consequence: str) -> Content:
    return Content.assemble((f" {key:<4}", "bold"), (label, "bold"), f"\n     {consequence}")
