"""What the lists of runs and the view of a run do to a run, in threads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.message import Message

from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import RunSummary, StateName
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.calm_screen import CalmScreen
from deepsynth_tui.tui.screens.stop import StopsRuns
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind

RESUMABLE: frozenset[StateName] = frozenset({"stopped", "failed", "crashed"})
"""States of a run that has ended before its work was done."""


class ActsOnRuns(StopsRuns):
    """Base of the screens that stop and resume runs."""

    def resume_run(self, summary: RunSummary) -> None:
        """Continue an ended run from its last checkpoint or shard, with its own settings."""
        self._resume(RunDirectory(summary.id, summary.path), sanitize(summary.name))

    @work(thread=True, exclusive=True, exit_on_error=False, group="resume")
    def _resume(self, run: RunDirectory, name: str) -> None:
        from deepsynth_tui.workflows.start import continue_run

        try:
            continue_run(run)
        except (UserError, OSError) as error:
            self.notify(str(error), title="Not resumed", severity="error", markup=False)
        else:
            self.notify(f"{name} continues from its last checkpoint", title="Resumed")


class UsesSettings(ReportsWorkerErrors, CalmScreen[None]):
    """Base of the screens that set up a run with the settings of another."""

    @dataclass
    class SettingsRead(Message):
        """The settings of a run were read."""

        values: Mapping[str, Any]
        kind: RunKind

    @work(thread=True, exclusive=True, exit_on_error=False, group="settings")
    def use_settings(self, file: Path, kind: RunKind) -> None:
        """Show the form of `kind`, filled with the configuration in a file."""
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.config.load import load_file
        from deepsynth_tui.config.problems import ConfigError

        try:
            values = load_file(file).config.model_dump(mode="json", exclude_unset=True)
        except (ConfigError, OSError) as error:
            title = "These settings cannot be used"
            self.notify(str(error), title=title, severity="error", markup=False)
        else:
            self.post_message(self.SettingsRead(values, kind))

    @on(SettingsRead)
    def _use_settings(self, event: SettingsRead) -> None:
        app_api(self.app).use_config(event.values, event.kind)
