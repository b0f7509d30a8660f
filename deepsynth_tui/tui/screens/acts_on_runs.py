"""What the list of runs and the view of a run both do to a run, in threads."""

from __future__ import annotations

from textual import work

from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import RunSummary, StateName
from deepsynth_tui.tui.screens.stop import StopsRuns

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
