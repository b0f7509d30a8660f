"""Run directories: create one, find one, list them all.

A run lives in `<home>/runs/<id>/`, or elsewhere with a symbolic link of that name. `run.json` is
written last and makes the folder a run. Folders without it are ignored, unless a job has written
into them: that is a damaged run, which is listed with the reason.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.identity import Identity, read_identity, write_identity
from deepsynth_tui.runs.private_folder import PRIVATE, make_private
from deepsynth_tui.runs.run_directory import (
    RunDirectory,
    RunDirectoryError,
    RunExists,
    RunNotFound,
    RunNotWritable,
    RunUnreadable,
)

SLUG_LENGTH = 40
"""Maximum number of characters of a run's name in its id."""


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run found under a home. `identity` is None if it cannot be read; `problem` says why.

    `created` is in seconds since the epoch; that of a run without identity is when its folder
    changed last.
    """

    run: RunDirectory
    created: float
    identity: Identity | None
    problem: str = ""


def create_run(
    home: Path,
    *,
    kind: str,
    name: str,
    config_text: str,
    at: Path | None = None,
    after: str | None = None,
    continues: RunDirectory | None = None,
    cwd: Path | None = None,
    now: float | None = None,
) -> RunDirectory:
    """Create a run directory, under `home` or `at` a folder that is empty or does not exist.

    `after` is a reference, as for `find_run`, to a run that must complete before this one starts;
    `continues` is the run whose last checkpoint it starts from. Its job runs in `cwd`, by default
    that of this process. On an error, nothing is left behind.

    Raises:
        RunExists: `at` is not empty.
        RunNotWritable: The folder cannot be written.
        RunNotFound: There is no run `after`.
    """
    created = time.time() if now is None else now
    predecessor = find_run(home, after) if after is not None else None
    try:
        run = _reserve(home / "runs", id_stem(created, name, kind), at)
        cwd = cwd or Path.cwd()
        identity = Identity(run.id, kind, name, created, cwd, predecessor, continues)
        try:
            _fill(run, identity, config_text)
        except OSError:
            _remove(home / "runs", run)
            raise
    except RunDirectoryError:
        raise
    except OSError as error:
        raise RunNotWritable(
            f"Cannot create a run in {at or home / 'runs'}: {error.strerror or error}",
            "Free some disk space, or choose a writable folder: output.dir in the configuration, "
            "or $DEEPSYNTH_HOME for all runs",
        ) from error
    return run


def find_run(home: Path, ref: str | Path) -> RunDirectory:
    """Return the run that `ref` refers to.

    `ref` is an id, the path of a run's folder, the beginning of exactly one id, or a name, which
    refers to the newest run of that name, an archived one only if there is no other. An id or name
    that a run had before it was renamed counts last. Raises RunNotFound with the most similar ids.
    """
    listing = scan_runs(home)
    runs = [listed.run for listed in listing]
    text = str(ref)
    for run in runs:
        if run.id == text:
            return run
    path = Path(ref).expanduser()
    if os.path.isfile(path / "run.json"):  # noqa: PTH113 - Path.is_file raises "Permission denied"
        resolved = path.resolve()
        listed = (run for run in runs if run.path.resolve() == resolved)
        return next(listed, None) or open_run(resolved)
    with_prefix = [run for run in runs if text and run.id.startswith(text)]
    if len(with_prefix) == 1:
        return with_prefix[0]
    names = {entry.run.id: entry.identity.name if entry.identity else "" for entry in listing}
    named = [run for run in runs if names[run.id] == text] or [
        entry.run for entry in listing if entry.identity and text in entry.identity.former
    ]
    if named:  # newest first
        return min(named, key=lambda run: os.path.lexists(run.archived))
    if with_prefix:
        ids = [run.id for run in with_prefix]
        raise RunNotFound(text, ids, f"{text!r} is the beginning of {len(ids)} runs")
    close = difflib.get_close_matches(text, [*names, *names.values()], n=3, cutoff=0.5)
    nearest = [run for run in names if run in close or names[run] in close]
    raise RunNotFound(text, nearest[:3])


def open_run(path: Path) -> RunDirectory:
    """Return the run in exactly this folder.

    Raises:
        RunNotFound: It is not a run.
        RunUnreadable: Its `run.json` is damaged or may not be read.
    """
    try:
        run = RunDirectory(path.name, path)
        return RunDirectory(read_identity(run).id, path)
    except RunNotFound as error:
        raise RunNotFound(str(path), (), f"{path} is not a run directory") from error


def list_runs(home: Path) -> list[RunDirectory]:
    """Return every run under `home` whose identity can be read, newest first; see `scan_runs`."""
    return [listed.run for listed in scan_runs(home) if listed.identity is not None]


def scan_runs(home: Path) -> list[ListedRun]:
    """Return every run under `home`, newest first, also those that cannot be read.

    Dangling links and other folders are skipped. A run that has two names is listed once.

    Raises RunUnreadable if the folder of all runs exists but cannot be listed.
    """
    listed = filter(None, map(read_listed, iterate_folders(home)))
    return sorted(listed, key=lambda run: (run.created, run.run.id), reverse=True)


def iterate_folders(home: Path) -> Iterator[RunDirectory]:
    """Yield what is in the folder of all runs, whether it is a run or not, each folder once.

    A folder comes under its own name, not that of a link to it. Hidden ones are being deleted.
    Raises RunUnreadable if that folder exists but cannot be listed.
    """
    root = home / "runs"
    try:
        entries = sorted(os.scandir(root), key=lambda entry: (entry.is_symlink(), entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise RunUnreadable("The list of runs", error.strerror or str(error), root) from error
    real_root = os.path.realpath(root)  # Path.resolve raises for links in a circle
    paths: set[str] = set()
    for entry in entries:
        if entry.name.startswith("."):
            continue
        is_link = entry.is_symlink()
        path = os.path.realpath(entry.path) if is_link else f"{real_root}/{entry.name}"
        if path not in paths:
            paths.add(path)
            yield RunDirectory(entry.name, Path(path if is_link else entry.path))


def read_listed(run: RunDirectory) -> ListedRun | None:
    """Return the entry of a folder in the list of runs; None if it is no run."""
    try:
        identity = read_identity(run)
    except RunNotFound:
        if not any(os.path.lexists(path) for path in (run.events, run.status, run.console)):
            return None
        return ListedRun(run, folder_changed(run), None, "run.json is missing")
    except RunUnreadable as error:
        return ListedRun(run, folder_changed(run), None, error.reason)
    return ListedRun(run, identity.created, identity)


def folder_changed(run: RunDirectory) -> float:
    """Return when the folder of `run` changed last, in seconds since the epoch; 0 if unknown."""
    try:
        return run.path.stat().st_mtime
    except OSError:
        return 0.0


def id_stem(created: float, name: str, kind: str) -> str:
    """Return the id of a run, but for a number that makes it unique."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(created))
    slug = re.sub(r"[\W_]+", "-", name.lower())[:SLUG_LENGTH].strip("-")
    return f"{stamp}-{slug or kind}"


def without_date(run_id: str) -> str:
    """Return the id of a run without the time that it begins with."""
    return re.sub(r"^\d{8}-\d{6}-", "", run_id)


def _reserve(root: Path, stem: str, at: Path | None) -> RunDirectory:
    """Take an id by creating its folder (or link) in `root`: the first process to do so owns it."""
    make_private(root)
    target = None if at is None else _empty_folder(at)
    number = 1
    while True:
        run_id = stem if number == 1 else f"{stem}-{number}"
        entry = root / run_id
        try:
            if target is None:
                entry.mkdir(mode=PRIVATE)
            else:
                entry.symlink_to(target, target_is_directory=True)
            return RunDirectory(run_id, entry if target is None else target)
        except FileExistsError:
            number += 1


def _empty_folder(at: Path) -> Path:
    folder = at.expanduser().resolve()
    if (folder / "run.json").is_file():
        raise RunExists(
            f"{at} already holds a run",
            "Attach to it, resume it, or set output.dir to another folder",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        state = "is not empty" if folder.is_dir() else "is a file"
        raise RunExists(f"{at} {state}", "Set output.dir to an empty or a new folder")
    make_private(folder)
    return folder


def _fill(run: RunDirectory, identity: Identity, config_text: str) -> None:
    run.control.mkdir(mode=PRIVATE)
    atomic.replace(run.config, config_text.encode(), durable=True)
    write_identity(run, identity)


def _remove(root: Path, run: RunDirectory) -> None:
    """Remove a run that could not be written. A folder of the user's is emptied, but remains."""
    entry = root / run.id
    if not entry.is_symlink():
        shutil.rmtree(run.path)
        return
    entry.unlink()
    run.identity.unlink(missing_ok=True)
    run.config.unlink(missing_ok=True)
    if run.control.is_dir():
        run.control.rmdir()
