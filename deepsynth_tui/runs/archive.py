"""Take a run out of the list of runs, and bring it back. Its files stay where they are."""

from __future__ import annotations

import os

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.runs.lock import claim, not_writable


def is_archived(run: RunDirectory) -> bool:
    """Return whether the run is left out of the list."""
    return os.path.lexists(run.archived)


def archive(run: RunDirectory) -> bool:
    """Leave an ended run out of the list; return whether it was in it.

    `find_run` still finds it. A run that is started again comes back into the list.

    Raises:
        RunNotFound: The run is gone.
        RunBusy: The run is live: nothing would show that it is running.
        LaunchError: Its folder cannot be written.
    """
    read_identity(run)
    with claim(run):
        if is_archived(run):
            return False
        try:
            atomic.replace(run.archived, b"")
        except OSError as error:
            raise not_writable(run, error) from error
    return True


def restore(run: RunDirectory) -> bool:
    """Bring an archived run back into the list; return whether it was archived.

    Raises LaunchError if its folder cannot be written.
    """
    was_archived = is_archived(run)
    try:
        run.archived.unlink(missing_ok=True)
    except OSError as error:
        raise not_writable(run, error) from error
    return was_archived
