"""The dialog that stops a run: it names the run and says what happens to the work so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import OptionList, Static

from deepsynth_tui.runs import control
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.calm_screen import CalmModalScreen, CalmScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors

StopMethod = Literal["checkpoint", "now", "force", "dequeue"]
GRACE_SECONDS = 10.0
"""Time that a forced stop gives the process to end by itself, and again after SIGTERM."""
OUTCOMES: Mapping[control.StopOutcome, str] = {
    control.StopOutcome.EXITED: "The run has stopped",
    control.StopOutcome.TERMINATED: "The run was ended with SIGTERM",
    control.StopOutcome.KILLED: "The run was killed; work since the last checkpoint is lost",
}

REQUESTED: Mapping[StopMethod, str] = {
    "checkpoint": "Stop requested after the next checkpoint",
    "now": "Stop requested",
    "dequeue": "The run is out of the queue",
}


@dataclass(frozen=True, slots=True)
class StopOption:
    """A way to stop a run; `action` is the id of the action whose key chooses it."""

    method: StopMethod
    action: str
    label: str
    consequence: str


def stop_options(summary: RunSummary, pending: control.Request | None) -> tuple[StopOption, ...]:
    """Return the ways to stop a run in this state, with `pending` already requested."""
    if summary.state == "queued":
        consequence = "It does not start. Its folder stays, and it can be resumed."
        return (StopOption("dequeue", "stop.now", "Out of the queue", consequence),)
    is_training = summary.kind == "training"
    is_working = summary.state in ("running", "stopping")
    options: list[StopOption] = []
    if is_working and pending is None:
        label, consequence = (
            ("After the next checkpoint", "Trains until the next checkpoint is saved, then stops.")
            if is_training
            else ("After this shard", "Completes the shard that is being written, then stops.")
        )
        options.append(StopOption("checkpoint", "stop.checkpoint", label, consequence))
    if pending != "stop" and summary.state != "unresponsive":
        if not is_working:
            consequence = "The run has not started its work yet."
        elif is_training:
            consequence = "Saves a checkpoint after this step, then stops."
        else:
            consequence = "Stops after this page; finished pages are kept."
        options.append(StopOption("now", "stop.now", "Now", consequence))
    else:
        consequence = "Work since the last checkpoint is lost."
        options.append(StopOption("force", "stop.now", "End the process", consequence))
    return tuple(options)


def stop_run(run: RunDirectory, method: StopMethod) -> str:
    """Stop `run` and return what to tell the user. Blocks until a forced stop is over.

    Raises:
        NotStopped: the run has ended already, or its process cannot be ended.
        StatusUnreadable: whether it has a process is unknown.
    """
    if method == "force":
        return OUTCOMES[control.stop_and_wait(run, grace=GRACE_SECONDS)]
    control.request_stop(run, now=method != "checkpoint")
    return REQUESTED[method]


class StopDialog(CalmModalScreen[StopMethod | None]):
    """Returns the chosen method, or None if it is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("stop_dialog")

    def __init__(self, summary: RunSummary, pending: control.Request | None) -> None:
        super().__init__()
        name = sanitize(summary.name)
        if summary.state == "queued":
            self._title, self._close = f"Take {name} out of the queue?", "It stays in the queue."
        else:
            self._title, self._close = f"Stop {name}?", "The run continues."
        self._options = stop_options(summary, pending)

    def compose(self) -> ComposeResult:
        with Container(classes="dialog -warning"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield OptionList(
                *(
                    _prompt(option.action, option.label, option.consequence)
                    for option in self._options
                ),
                _prompt("stop.close", "Close", self._close),
            )

    def action_choose(self, action: str) -> None:
        """Choose a method by the id of its action."""
        for option in self._options:
            if option.action == action:
                self.dismiss(option.method)

    @on(OptionList.OptionSelected)
    def _choose_selected(self, event: OptionList.OptionSelected) -> None:
        is_close = event.option_index == len(self._options)
        self.dismiss(None if is_close else self._options[event.option_index].method)


class StopsRuns(ReportsWorkerErrors, CalmScreen[None]):
    """Base of the screens that stop runs."""

    def ask_to_stop(self, summary: RunSummary, pending: control.Request | None) -> None:
        """Ask how to stop a run, stop it in a thread and show the result."""

        def stop(method: StopMethod | None) -> None:
            if method is not None:
                self._stop_run(RunDirectory(summary.id, summary.path), method)

        self.app.push_screen(StopDialog(summary, pending), stop)

    @work(thread=True, exit_on_error=False, group="stop")
    def _stop_run(self, run: RunDirectory, method: StopMethod) -> None:
        try:
            self.notify(stop_run(run, method))
        except (RunError, OSError) as error:
            self.notify(str(error), title="Not stopped", severity="error", markup=False)


def _prompt(action: str, label: str, consequence: str) -> Content:
    return Content.assemble(
        (f" {key_of(action):<4}", "bold"), (label, "bold"), f"\n     {consequence}"
    )
