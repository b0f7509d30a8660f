"""The dialog that tries a failed run again: it names the run, what changes, and where it begins.

It reads the settings and starts the job in threads of its own, and gives back the new run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import shell_of
from deepsynth_tui.tui.widgets.label_grid import label_grid

if TYPE_CHECKING:
    from deepsynth_tui.workflows.retry import RetryPlan


class RetryDialog(ModalScreen[RunDirectory | None]):
    """Gives back the run that was started, None when closed. Esc closes it and starts nothing."""

    DEFAULT_CSS = """
    RetryDialog {
        align: center middle;
        & > #dialog {
            width: 70;
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
            display: none;
            &:focus { border: none; background-tint: $foreground 0%; }
        }
    }
    """
    BINDINGS = bindings("retry_dialog")

    @dataclass
    class Planned(Message):
        """The settings were read; this is what a retry would do."""

        plan: RetryPlan

    @dataclass
    class Started(Message):
        """The new run's job was started."""

        run: RunDirectory

    @dataclass
    class Refused(Message):
        """It cannot be done, and why."""

        why: str

    def __init__(self, run: RunDirectory, name: str, *, last_step: int | None) -> None:
        """`last_step` is that of the run's last checkpoint, None where it left none."""
        super().__init__()
        self._of = run
        self._run_name = name
        self._last_step = last_step
        self._plan: RetryPlan | None = None

    def compose(self) -> ComposeResult:
        """The question, and the two answers once it is known what would be done."""
        with Vertical(id="dialog") as dialog:
            dialog.border_title = "try this run again?"
            yield Static("Reading its settings ...", id="what")
            yield OptionList("Start the new run", "Close: nothing is started")

    def on_mount(self) -> None:
        """Begin to read."""
        self._read()

    @work(thread=True, exit_on_error=False, group="retry")
    def _read(self) -> None:
        # Deferred: pydantic takes half as long to import as Textual takes to start.
        from deepsynth_tui.config.problems import ConfigError
        from deepsynth_tui.workflows import retry

        try:
            self.post_message(self.Planned(retry.plan(self._of)))
        except (RunError, ConfigError, OSError) as error:
            self.post_message(self.Refused(str(error)))

    @on(Planned)
    def _ask(self, event: Planned) -> None:
        from deepsynth_tui.config.fields import as_text

        self._plan = event.plan
        changes = [
            (key, sanitize(f"{as_text(former) or 'none'} → {as_text(new) or 'none'}"))
            for key, (former, new) in event.plan.changed.items()
        ]
        self.query_one("#what", Static).update(
            Group(
                Text.assemble("This starts a new run of ", (self._run_name, "bold"), " with:"),
                label_grid(changes),
                Text(f"\n{_beginning(event.plan, self._last_step)}"),
            )
        )
        answers = self.query_one(OptionList)
        answers.display = True
        answers.focus()

    @on(OptionList.OptionSelected)
    def _answered(self, event: OptionList.OptionSelected) -> None:
        if event.option_index == 0 and self._plan is not None:
            self.query_one(OptionList).disabled = True  # once is enough
            self._start(self._plan)
        else:
            self.dismiss(None)

    @work(thread=True, exclusive=True, exit_on_error=False, group="retry")
    def _start(self, made: RetryPlan) -> None:
        from deepsynth_tui.workflows import retry

        try:
            self.post_message(self.Started(retry.start(shell_of(self.app).home, made)))
        except (RunError, OSError) as error:
            self.post_message(self.Refused(str(error)))

    @on(Started)
    def _show(self, event: Started) -> None:
        self.dismiss(event.run)

    @on(Refused)
    def _refuse(self, event: Refused) -> None:
        self.notify(event.why, title="Not started", severity="error", markup=False)
        self.dismiss(None)


def _beginning(made: RetryPlan, last_step: int | None) -> str:
    """Where the new run begins, as far as the old one's log tells; its job looks at the files."""
    if made.obstacle is not None:
        return f"It begins at step 0: {made.obstacle}."
    if last_step is None:
        return "It begins at step 0: the run left no checkpoint."
    return f"It goes on from the last whole checkpoint, of step {last_step}."
