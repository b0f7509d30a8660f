"""Dialogs that extend, rename or delete runs, which threads then do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text
from textual import on, work
from textual.message import Message

from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.screens.acts_on_runs import ActsOnRuns
from deepsynth_tui.tui.screens.run_dialog import AskText, Confirm
from deepsynth_tui.tui.widgets.label_grid import label_grid
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.workflows.delete_runs import RunDeletion


class ChangesRuns(ActsOnRuns):
    """Base of a screen that changes ended runs."""

    @dataclass
    class DeletionPlanned(Message):
        """It is known what deleting runs frees; `refused` says why some cannot be deleted."""

        deletions: Sequence[RunDeletion]
        refused: Sequence[str]

    def poll_now(self) -> None:
        """Look at the runs again at once. May be called in any thread."""
        raise NotImplementedError

    def ask_to_extend(self, summary: RunSummary) -> None:
        """Ask for how many more steps to train a run, and start it."""
        reached = f"It is at step {summary.last_step}. " if summary.last_step is not None else ""

        def extend(steps: str | None) -> None:
            if steps is not None:
                self._extend(summary.id, int(steps))

        dialog = AskText(
            f"Train {sanitize(summary.name)} further?",
            f"{reached}More steps, from the last checkpoint:",
            str(summary.total_steps or ""),
            lambda text: "" if text.isdecimal() and int(text) else "must be a whole number >= 1",
        )
        self.app.push_screen(dialog, extend)

    @work(thread=True, exclusive=True, exit_on_error=False, group="extend")
    def _extend(self, run_id: str, steps: int) -> None:
        from deepsynth_tui.workflows.extend_client import extend_run

        try:
            lines = extend_run(app_api(self.app).home, run_id, steps)
        except UserError as error:
            self.notify(str(error), title="Not extended", severity="error", markup=False)
        else:
            self.notify("\n".join(lines), title="Extended", markup=False)
            self.poll_now()

    def ask_to_rename(self, summary: RunSummary) -> None:
        """Ask for another name of a run."""

        def rename(name: str | None) -> None:
            if name is not None and name.strip() != summary.name:
                self._rename(RunDirectory(summary.id, summary.path), name)

        dialog = AskText(
            f"Rename {sanitize(summary.name)}",
            "The run is found under its former name as well.",
            sanitize(summary.name),
            lambda text: "" if text.strip() else "must not be empty",
        )
        self.app.push_screen(dialog, rename)

    @work(thread=True, exclusive=True, exit_on_error=False, group="rename")
    def _rename(self, run: RunDirectory, name: str) -> None:
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.workflows.rename_run import rename_run

        try:
            renamed = rename_run(app_api(self.app).home, run, name)
        except UserError as error:
            self.notify(str(error), title="Not renamed", severity="error", markup=False)
        else:
            for note in renamed.notes:
                self.notify(note, severity="warning", markup=False)
            self.poll_now()

    def ask_to_delete(self, runs: Sequence[RunSummary]) -> None:
        """Find out what deleting runs frees, then ask."""
        self._plan_deletion([RunDirectory(run.id, run.path) for run in runs])

    @work(thread=True, exclusive=True, exit_on_error=False, group="delete")
    def _plan_deletion(self, runs: Sequence[RunDirectory]) -> None:
        from deepsynth_tui.workflows.delete_runs import plan_deletion

        home = app_api(self.app).home
        deletions: list[RunDeletion] = []
        refused: list[str] = []
        for run in runs:
            try:
                deletions.append(plan_deletion(home, run))
            except UserError as error:
                refused.append(str(error))
        self.post_message(self.DeletionPlanned(deletions, refused))

    @on(DeletionPlanned)
    def _confirm_deletion(self, event: DeletionPlanned) -> None:
        for reason in event.refused:
            self.notify(reason, title="Not deleted", severity="error", markup=False)
        deletions = event.deletions
        if not deletions:
            return
        freed = format_bytes(sum(deletion.bytes for deletion in deletions))
        what = deletions[0].run.id if len(deletions) == 1 else f"{len(deletions)} runs"
        rows = [(format_bytes(deletion.bytes), str(deletion.run.path)) for deletion in deletions]
        needed = [
            Text(f"! {reference.run.id} {reference.relation}", "bold")
            for deletion in deletions
            for reference in deletion.needed_by
        ]
        text = Group(
            label_grid(rows),
            *needed,
            Text(f"\nFrees {freed}. Settings, log, checkpoints and results are lost."),
        )

        def delete(is_confirmed: bool | None) -> None:
            if is_confirmed:
                self._delete(deletions)

        self.app.push_screen(Confirm(f"Delete {what}?", text, f"Delete, freeing {freed}"), delete)

    @work(thread=True, exclusive=True, exit_on_error=False, group="delete")
    def _delete(self, deletions: Sequence[RunDeletion]) -> None:
        from deepsynth_tui.workflows.delete_runs import delete

        freed = 0
        for deletion in deletions:
            try:
                delete(deletion)
            except (UserError, OSError) as error:
                self.notify(str(error), title="Not deleted", severity="error", markup=False)
            else:
                freed += deletion.bytes
        if freed:
            self.notify(f"Freed {format_bytes(freed)}", title="Deleted")
        self.poll_now()
