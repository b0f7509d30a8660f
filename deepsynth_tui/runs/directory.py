"""Run directories: create one, find one, list them all.

A run lives in `<home>/runs/<id>/`, or elsewhere with a symbolic link of that name. `run.json` is
written last and makes the folder a run. Folders without it are ignored, unless a job has written
into them: that is a damaged run, which is listed with the reason.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.json_file import (
    CACHED_FILES,
    BadContent,
    Fields,
    read_object,
    settled_version,
)
from deepsynth_tui.runs.private_folder import PRIVATE, make_private

SLUG_LENGTH = 40
"""Maximum number of characters of a run's name in its id."""
LAST_TIME = 1e11
"""Seconds since the epoch (the year 5138) beyond which a time is garbage."""


class RunDirectoryError(RunError):
    """A run directory could not be created or found."""


class RunExists(RunDirectoryError):
    """The requested folder is not empty."""


class RunNotWritable(RunDirectoryError):
    """The requested folder is not writable."""


class RunNotFound(RunDirectoryError):
    """No run, or more than one, matches this reference. `nearest` are the most similar ids."""

    def __init__(self, ref: str, nearest: Sequence[str], message: str = "") -> None:
        advice = f"Did you mean {', '.join(nearest)}?" if nearest else "`runs` lists all runs"
        super().__init__(message or f"There is no run {ref!r}", advice)
        self.ref = ref
        self.nearest = tuple(nearest)


class RunUnreadable(RunDirectoryError):
    """The run exists but cannot be read. `reason` says why, without the name of the run."""

    def __init__(self, run_id: str, reason: str, path: Path) -> None:
        super().__init__(f"{run_id} cannot be read: {reason}", f"Look at {path}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder of one run, and the paths in it."""

    id: str
    path: Path

    @property
    def identity(self) -> Path:
        """What never changes about the run; see `Identity`."""
        return self.path / "run.json"

    @property
    def config(self) -> Path:
        """The configuration, frozen when the run was created."""
        return self.path / "config.yaml"

    @property
    def events(self) -> Path:
        """The event log, append-only JSON lines; see `events`."""
        return self.path / "events.jsonl"

    @property
    def folded(self) -> Path:
        """The state after most of a long event log; see `folded_log`."""
        return self.path / "folded.json"

    @property
    def overview(self) -> Path:
        """What a list shows of the event log of an ended run; see `log_overview`."""
        return self.path / "overview.json"

    @property
    def console(self) -> Path:
        """The raw output of the job and its children; read it with `ConsoleTail`."""
        return self.path / "console.log"

    @property
    def status(self) -> Path:
        """Process and heartbeat, replaced every few seconds; see `ProcessStatus`."""
        return self.path / "status.json"

    @property
    def lock(self) -> Path:
        """The file that the job holds a lock on while it lives; see `lock`."""
        return self.path / "lock"

    @property
    def queued(self) -> Path:
        """Exists while the run waits in the queue; see `queue`."""
        return self.path / "queued.json"

    @property
    def dequeued(self) -> Path:
        """What `queued` held when the run was started from the queue."""
        return self.path / "dequeued.json"

    @property
    def batch_script(self) -> Path:
        """The batch script of a run that Slurm starts; `launch` submits it."""
        return self.path / "job.sbatch"

    @property
    def batch_job(self) -> Path:
        """The batch job that was submitted last; see `batch_job`."""
        return self.path / "slurm.json"

    @property
    def estimate(self) -> Path:
        """The estimate that the job wrote before its first step, as `estimate --json` prints it."""
        return self.path / "estimate.json"

    @property
    def measured(self) -> Path:
        """Predicted and measured figures; see `estimate_vs_measured`."""
        return self.path / "measured.json"

    @property
    def control(self) -> Path:
        """Requests to the job; see `control`."""
        return self.path / "control"

    @property
    def checkpoints(self) -> Path:
        """Training checkpoints."""
        return self.path / "checkpoints"

    @property
    def archived(self) -> Path:
        """The file that keeps the run out of the list; see `archive`."""
        return self.path / "archived"

    @property
    def adapter(self) -> Path:
        """The adapter that a training run produces."""
        return self.path / "adapter"

    @property
    def dataset(self) -> Path:
        """The dataset that a dataset run produces."""
        return self.path / "dataset"


@dataclass(frozen=True, slots=True)
class Identity:
    """The content of `run.json`.

    Attributes:
        created: In seconds since the epoch.
        cwd: Folder that relative paths in the configuration are relative to.
        after: Run that this one waits for.
        continues: Run whose last checkpoint this one starts from.
        former: Ids and names it had before it was renamed. `find_run` knows them.
    """

    id: str
    kind: str
    name: str
    created: float
    cwd: Path
    after: RunDirectory | None = None
    continues: RunDirectory | None = None
    former: tuple[str, ...] = ()


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


def read_identity(run: RunDirectory) -> Identity:
    """Read `run.json`.

    Raises:
        RunNotFound: The run is gone or was never one.
        RunUnreadable: The file is damaged or may not be read.
    """
    try:
        if version := settled_version(run.identity):
            return _read_settled(run.identity, version)
        return _parse_identity(run.identity)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunNotFound(run.id, (), f"{run.path} contains no run.json") from error
    except BadContent as error:
        raise RunUnreadable(run.id, str(error), run.path) from error
    except OSError as error:
        raise RunUnreadable(run.id, error.strerror or str(error), run.path) from error


# The list of runs reads every identity every few seconds.
@lru_cache(maxsize=CACHED_FILES)
def _read_settled(path: Path, version: tuple[int, int, int]) -> Identity:
    return _parse_identity(path)


def _parse_identity(path: Path) -> Identity:
    return _identity_from_json(Fields(read_object(path), path.name))


def write_identity(run: RunDirectory, identity: Identity) -> None:
    """Replace `run.json` atomically. Raises OSError."""
    content = {
        "v": 1,
        "id": identity.id,
        "kind": identity.kind,
        "name": identity.name,
        "created": identity.created,
        "cwd": str(identity.cwd),
        "after": _run_to_json(identity.after),
        "continues": _run_to_json(identity.continues),
        "former": identity.former,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    atomic.replace(run.identity, text.encode(), durable=True)


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


def _identity_from_json(content: Fields) -> Identity:
    created = content.number("created")
    if not abs(created) < LAST_TIME:
        raise BadContent("run.json has no valid `created`")
    return Identity(
        id=content.text("id"),
        kind=content.text("kind"),
        name=content.text("name"),
        created=created,
        cwd=Path(content.text("cwd")),
        after=_run_from_json(content.optional_object("after")),
        continues=_run_from_json(content.optional_object("continues")),  # of later versions
        former=content.optional_texts("former"),
    )


def _run_from_json(content: Fields | None) -> RunDirectory | None:
    return RunDirectory(content.text("id"), Path(content.text("path"))) if content else None


def _run_to_json(run: RunDirectory | None) -> dict[str, str] | None:
    return {"id": run.id, "path": str(run.path.resolve())} if run else None


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
