"""Delete runs with everything in their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.lock import RunBusy
from deepsynth_tui.runs.remove import NotRemoved, finish_removals, freed_bytes, remove_run
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.workflows.run_references import Reference, find_references, refuse_in_use


@dataclass(frozen=True, slots=True)
class RunDeletion:
    """What deleting `run` frees, and which ended runs could not be resumed without it."""

    home: Path
    run: RunDirectory
    bytes: int
    needed_by: tuple[Reference, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "id": self.run.id,
            "path": str(self.run.path),
            "freed_bytes": self.bytes,
            "needed_by": [reference.to_json() for reference in self.needed_by],
        }


def plan_deletion(home: Path, run: RunDirectory) -> RunDeletion:
    """Return what deleting `run` would do; nothing is deleted yet. A damaged run can be deleted.

    Raises:
        RunBusy: it is live.
        RunInUse: a live run needs it, or another run lies in its folder.
        RunNotFound: it is gone.
        NotRemoved: a folder in it cannot be read.
    """
    if summarize(run).is_live:
        raise RunBusy(f"{run.id} is running", "Stop it first: nothing was deleted")
    references = find_references(home, run)
    refuse_in_use(run, references, "deleted")
    for reference in references:
        if reference.run.path.is_relative_to(run.path):
            raise NotRemoved(
                f"{run.id} cannot be deleted: {reference.run.id} lies in its folder",
                f"Delete {reference.run.id} first, or move it",
            )
    try:
        size = freed_bytes(run.path)
    except OSError as error:
        raise NotRemoved(
            f"{error.filename} cannot be read: {error.strerror or error}",
            "Nothing was deleted. Change its permissions",
        ) from error
    return RunDeletion(home, run, size, tuple(references))


def delete(deletion: RunDeletion) -> None:
    """Delete the run. Interrupted at any time, it leaves the whole run or nothing that is listed.

    Raises:
        RunBusy: it was started meanwhile.
        RunInUse: a run that needs it was started meanwhile.
        NotRemoved: a file cannot be deleted.
        LaunchError: the folder cannot be written.
    """
    references = find_references(deletion.home, deletion.run)
    refuse_in_use(deletion.run, references, "deleted")
    remove_run(deletion.home, deletion.run)


def delete_leftovers(home: Path) -> int:
    """Delete what interrupted deletions left behind; return the bytes this frees.

    Raises NotRemoved if a file cannot be deleted.
    """
    return finish_removals(home)
