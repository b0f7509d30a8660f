"""What the list of runs does to the queue and with archived runs, in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from textual import work

from deepsynth_tui.queue.wake import wake
from deepsynth_tui.runs import archive, queue
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.screens.acts_on_runs import UsesSettings
from deepsynth_tui.tui.screens.changes_runs import ChangesRuns


class QueuesRuns(ChangesRuns, UsesSettings):
    """Base of a screen that orders the queue and archives runs."""

    def hold_or_release(self, summary: RunSummary) -> None:
        """Keep a waiting run from starting, or let it start again."""
        change = queue.release if summary.is_held else queue.hold
        self._change_queue(lambda home: change(home, _directory(summary)))

    def move_run(self, summary: RunSummary, by: int) -> None:
        """Move a waiting run to an earlier position (below 0) or a later one."""
        if summary.position is not None and (position := summary.position + by) > 0:
            self._change_queue(lambda home: queue.move(home, _directory(summary), position))

    @work(thread=True, exit_on_error=False, group="queue")
    def _change_queue(self, change: Callable[[Path], object]) -> None:
        home = app_api(self.app).home
        try:
            change(home)
            wake(home)
        except (RunError, OSError) as error:
            self.notify(str(error), title="Queue not changed", severity="error", markup=False)
        self.poll_now()

    @work(thread=True, exclusive=True, exit_on_error=False, group="archive")
    def archive_runs(self, summaries: Sequence[RunSummary], *, is_restored: bool) -> None:
        """Take ended runs out of the list, or bring archived ones back into it."""
        change = archive.restore if is_restored else archive.archive
        changed = 0
        for summary in summaries:
            try:
                changed += change(_directory(summary))
            except (RunError, OSError) as error:
                self.notify(str(error), title="Not archived", severity="error", markup=False)
        if changed:
            runs = summaries[0].name if changed == len(summaries) == 1 else f"{changed} runs"
            state = "in the list again" if is_restored else "archived; the files stay"
            self.notify(f"{runs}: {state}", markup=False)
        self.poll_now()


def _directory(summary: RunSummary) -> RunDirectory:
    return RunDirectory(summary.id, summary.path)
