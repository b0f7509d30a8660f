"""The dialog that retries a failed run: it shows what changes and where the new run starts.

It reads the settings and starts the job in threads, and returns the new run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.widgets import OptionList, Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.calm_screen import CalmModalScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.tui.widgets.label_grid import label_grid

if TYPE_CHECKING:
    from deepsynth_tui.workflows.retry import RetryPlan


class RetryDialog(ReportsWorkerErrors, CalmModalScreen[RunDirectory | None]):
    """Returns the run that was started, or None if it is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("retry_dialog")

    @dataclass
    class Planned(Message):
        """The settings were read."""

        plan: RetryPlan

    @dataclass
    class Started(Message):
        """The job of the new run was started."""

        run: RunDirectory

    @dataclass
    class Failed(Message):
        """The run cannot be retried, or its job did not start."""

        reason: str

    def __init__(self, run: RunDirectory, name: str, *, last_step: int | None) -> None:
        """`last_step` is the step of the last checkpoint of `run`, None where it has none."""
        super().__init__()
        self._failed_run = run
        self._run_name = name
        self._last_step = last_step
        self._plan: RetryPlan | None = None

    @property
    def takes_keys(self) -> bool:
        return not self.has_running_workers

    def compose(self) -> ComposeResult:
        with Container(classes="dialog -warning"):
            yield Static(f"Retry {self._run_name}?", classes="dialog-title", markup=False)
            yield Static("Reading the settings …", id="plan")
            options = OptionList("Start the new run", "Close without starting it")
            options.display = False
            yield options

    def on_mount(self) -> None:
        self._read_plan()

    @work(thread=True, exit_on_error=False, group="retry")
    def _read_plan(self) -> None:
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.config.problems import ConfigError
        from deepsynth_tui.workflows import retry

        try:
            self.post_message(self.Planned(retry.plan(self._failed_run)))
        except (RunError, ConfigError, OSError) as error:
            self.post_message(self.Failed(str(error)))

    @on(Planned)
    def _show_plan(self, event: Planned) -> None:
        from deepsynth_tui.config.fields import as_text

        self._plan = event.plan
        changes = [
            (key, sanitize(f"{as_text(before) or 'none'} → {as_text(after) or 'none'}"))
            for key, (before, after) in event.plan.changed.items()
        ]
        what = "with:" if changes else "with the same settings."
        self.query_one("#plan", Static).update(
            Group(
                Text(f"Starts a new run {what}"),
                label_grid(changes),
                Text(f"\n{_start_text(event.plan, self._last_step)}"),
            )
        )
        options = self.query_one(OptionList)
        options.display = True
        options.focus()

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        if event.option_index == 0 and self._plan is not None:
            self.query_one(OptionList).disabled = True  # start only one
            self._start_run(self._plan)
        else:
            self.dismiss(None)

    @work(thread=True, exclusive=True, exit_on_error=False, group="retry")
    def _start_run(self, plan: RetryPlan) -> None:
        from deepsynth_tui.workflows import retry

        try:
            self.post_message(self.Started(retry.start(app_api(self.app).home, plan)))
        except (RunError, OSError) as error:
            self.post_message(self.Failed(str(error)))

    @on(Started)
    def _return_run(self, event: Started) -> None:
        self.dismiss(event.run)

    @on(Failed)
    def _close_with_error(self, event: Failed) -> None:
        self.notify(event.reason, title="Not started", severity="error", markup=False)
        self.dismiss(None)


def _start_text(plan: RetryPlan, last_step: int | None) -> str:
    """Return where the new run starts, as far as the log of the old run tells."""
    if plan.obstacle is not None:
        return f"It starts at step 0: {plan.obstacle}."
    if last_step is None:
        return "It starts at step 0: there is no checkpoint."
    return f"It continues from the last complete checkpoint, step {last_step}."
