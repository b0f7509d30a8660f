"""Delete the folder of a run so that no half of it ever looks like a run.

The folder is renamed to a hidden name, which the list of runs leaves out, before its first file is
deleted. What a killed process leaves behind is found by its name, and deleted by the next deletion.
Links are deleted, never followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import Counter
from pathlib import Path

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.lock import claim

_HIDDEN = re.compile(r"\..+\.deleted")


class NotRemoved(RunError):
    """A folder could not be deleted, or not completely."""


def freed_bytes(folder: Path) -> int:
    """Return the bytes of the files that deleting `folder` frees.

    Links count nothing, nor does a file that has another name outside of the folder. Raises OSError
    if a folder in it cannot be read.
    """
    seen: Counter[tuple[int, int]] = Counter()
    total = 0
    folders = [os.fspath(folder)]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                stat = os.lstat(entry.path)
                seen[stat.st_dev, stat.st_ino] += 1
                if seen[stat.st_dev, stat.st_ino] == stat.st_nlink:
                    total += stat.st_size
    return total


def names_of(home: Path, run: RunDirectory) -> list[Path]:
    """Return the entries of the folder of all runs that are the folder of `run` or links to it."""
    root, target = home / "runs", os.path.realpath(run.path)
    if not root.is_dir():
        return []
    return [entry for entry in sorted(root.iterdir()) if os.path.realpath(entry) == target]


def remove_run(home: Path, run: RunDirectory) -> None:
    """Delete the folder of an ended run, and the links to it in the folder of all runs.

    Raises:
        RunBusy: The run is live.
        LaunchError: The folder cannot be written.
        NotRemoved: A file cannot be deleted. The folder is no run any more, if it was renamed.
    """
    folder = Path(os.path.realpath(run.path))
    with claim(run):
        entries = names_of(home, run)
        hidden = _hidden(folder)
        try:
            shutil.rmtree(hidden, ignore_errors=True)  # of a deletion that was interrupted
            if folder not in entries:  # elsewhere: a link leads the next deletion to the rest
                for entry in entries:
                    _hidden(entry).unlink(missing_ok=True)
                    _hidden(entry).symlink_to(hidden)
            folder.rename(hidden)
        except OSError as error:
            raise NotRemoved(
                f"{folder} cannot be deleted: {error.strerror or error}",
                "Nothing of it was deleted. Make the folder that it is in writable",
            ) from error
        for entry in entries:
            if entry.is_symlink():
                entry.unlink()
        _remove_tree(hidden)
        for entry in entries:
            _hidden(entry).unlink(missing_ok=True)


def finish_removals(home: Path) -> int:
    """Delete what interrupted deletions left behind under `home`; return the bytes this frees.

    Raises NotRemoved if a file cannot be deleted.
    """
    root = home / "runs"
    entries = root.iterdir() if root.is_dir() else ()
    freed = 0
    for entry in [entry for entry in entries if _HIDDEN.fullmatch(entry.name)]:
        folder = Path(os.path.realpath(entry))
        # A link that leads anywhere else was not made here.
        if folder.is_dir() and _HIDDEN.fullmatch(folder.name):
            with contextlib.suppress(OSError):  # what cannot be read is not counted
                freed += freed_bytes(folder)
            _remove_tree(folder)
        link = entry.with_name(entry.name.removeprefix(".").removesuffix(".deleted"))
        if link.is_symlink() and not link.exists():  # killed before it deleted this, too
            link.unlink()
        if entry.is_symlink():
            entry.unlink()
    return freed


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.deleted")


def _remove_tree(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotRemoved(
            f"A part of {folder} is left: {error.filename}: {error.strerror or error}",
            "Change the permissions and delete again",
        ) from error
