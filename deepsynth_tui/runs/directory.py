"""Run directories: create one, find one, list them all.

A run lives under `<home>/runs/<id>/`, or elsewhere with a symbolic link of that name. `run.json`
is written last and makes the folder a run: without it, it is a foreign folder and is ignored.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.errors import RunError

SLUG_LENGTH = 40
"""Characters of a run's name that go into its id."""


class RunDirectoryError(RunError):
    """A run directory could not be made or found."""


class RunExists(RunDirectoryError):
    """The folder asked for already holds something."""


class RunNotWritable(RunDirectoryError):
    """The folder asked for cannot be written."""


class RunNotFound(RunDirectoryError):
    """No run, or more than one, goes by this reference. `nearest` are the ids that come close."""

    def __init__(self, ref: str, nearest: Sequence[str], message: str = "") -> None:
        close = f"Did you mean {', '.join(nearest)}?" if nearest else "`runs` lists those there are"
        super().__init__(message or f"No run is called {ref!r}", close)
        self.ref = ref
        self.nearest = tuple(nearest)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where everything about one run is."""

    id: str
    path: Path

    @property
    def identity(self) -> Path:
        """What never changes about the run; see `read_identity`."""
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
    def console(self) -> Path:
        """Everything the job and its children printed, raw; read it through `console`."""
        return self.path / "console.log"

    @property
    def status(self) -> Path:
        """Process and heartbeat, replaced every few seconds; see `liveness`."""
        return self.path / "status.json"

    @property
    def estimate(self) -> Path:
        """The estimate that the job froze before its first step, as `estimate --json` prints it."""
        return self.path / "estimate.json"

    @property
    def measured(self) -> Path:
        """Predicted and measured side by side; see `prediction`."""
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
    def adapter(self) -> Path:
        """The adapter that a training run leaves."""
        return self.path / "adapter"

    @property
    def dataset(self) -> Path:
        """The dataset that a dataset run leaves."""
        return self.path / "dataset"


@dataclass(frozen=True, slots=True)
class Identity:
    """What `run.json` says. `created` is in seconds since the epoch, `cwd` is the folder that
    relative paths in the configuration start from, `after` the run that this one waits for, and
    `continues` the one whose last checkpoint it begins with."""

    id: str
    kind: str
    name: str
    created: float
    cwd: Path
    after: RunDirectory | None = None
    continues: RunDirectory | None = None


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
    """Make a new run directory, under `home` or `at` a folder that is empty or not there yet.

    `after` names another run (anything `find_run` takes) that has to be completed before this one
    begins; `continues` is the one whose last checkpoint it begins with. Its job stands in `cwd`,
    by default where this process does. Raises RunExists, RunNotWritable, or RunNotFound for
    `after`; nothing is left behind then.
    """
    created = time.time() if now is None else now
    predecessor = find_run(home, after) if after is not None else None
    try:
        run = _reserve(home / "runs", _stem(created, name, kind), at)
        place = cwd or Path.cwd()
        identity = Identity(run.id, kind, name, created, place, predecessor, continues)
        try:
            _fill(run, identity, config_text)
        except OSError:
            _withdraw(home / "runs", run)
            raise
    except RunDirectoryError:
        raise
    except OSError as error:
        raise RunNotWritable(
            f"Cannot create a run in {at or home / 'runs'}: {error.strerror or error}",
            "Free some space or choose a folder you may write to: output.dir in the "
            "configuration, or $DEEPSYNTH_HOME for all runs",
        ) from error
    return run


def find_run(home: Path, ref: str | Path) -> RunDirectory:
    """The run that `ref` means: an id, the path of its folder, the only id that begins so, or
    else the newest run of that name. Raises RunNotFound with the ids that come close."""
    runs = list_runs(home)
    text = str(ref)
    for run in runs:
        if run.id == text:
            return run
    path = Path(ref).expanduser()
    if (path / "run.json").is_file():
        resolved = path.resolve()
        known = (run for run in runs if run.path.resolve() == resolved)
        return next(known, None) or open_run(resolved)
    begins = [run for run in runs if text and run.id.startswith(text)]
    if len(begins) == 1:
        return begins[0]
    names = {run.id: read_identity(run).name for run in runs}
    for run in runs:
        if names[run.id] == text:
            return run
    if begins:
        ids = [run.id for run in begins]
        raise RunNotFound(text, ids, f"{text!r} is the beginning of {len(ids)} runs")
    close = difflib.get_close_matches(text, [*names, *names.values()], n=3, cutoff=0.5)
    nearest = [run for run in names if run in close or names[run] in close]
    raise RunNotFound(text, nearest[:3])


def open_run(path: Path) -> RunDirectory:
    """The run in exactly this folder. Raises RunNotFound when it is not a run."""
    try:
        run = RunDirectory(path.name, path)
        return RunDirectory(read_identity(run).id, path)
    except RunNotFound as error:
        raise RunNotFound(str(path), (), f"{path} is not a run directory") from error


def list_runs(home: Path) -> list[RunDirectory]:
    """Every run under `home`, newest first. Dangling links and foreign folders are skipped, and
    a run that is reachable under two names is listed once."""
    root = home / "runs"
    if not root.is_dir():
        return []
    found: dict[Path, tuple[float, RunDirectory]] = {}
    for entry in sorted(root.iterdir()):
        run = RunDirectory(entry.name, entry.resolve() if entry.is_symlink() else entry)
        try:
            found.setdefault(entry.resolve(), (read_identity(run).created, run))
        except RunNotFound:
            continue
    newest = sorted(found.values(), key=lambda pair: (pair[0], pair[1].id), reverse=True)
    return [run for _, run in newest]


def read_identity(run: RunDirectory) -> Identity:
    """What `run.json` says. Raises RunNotFound when the run is gone or was never one."""
    try:
        said = json.loads(run.identity.read_bytes())
        return Identity(
            id=str(said["id"]),
            kind=str(said["kind"]),
            name=str(said["name"]),
            created=float(said["created"]),
            cwd=Path(said["cwd"]),
            after=_named(said["after"]),
            continues=_named(said.get("continues")),  # not in runs of earlier versions
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunNotFound(run.id, (), f"{run.path} holds no readable run.json") from error


def _named(said: dict[str, str] | None) -> RunDirectory | None:
    return RunDirectory(str(said["id"]), Path(said["path"])) if said else None


def _naming(run: RunDirectory | None) -> dict[str, str] | None:
    return {"id": run.id, "path": str(run.path.resolve())} if run else None


def _stem(created: float, name: str, kind: str) -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(created))
    slug = re.sub(r"[\W_]+", "-", name.lower())[:SLUG_LENGTH].strip("-")
    return f"{stamp}-{slug or kind}"


def _reserve(root: Path, stem: str, at: Path | None) -> RunDirectory:
    """Take an id by making its folder (or link) in `root`: whoever makes it first owns it."""
    root.mkdir(parents=True, exist_ok=True)
    target = None if at is None else _empty_folder(at)
    number = 1
    while True:
        run_id = stem if number == 1 else f"{stem}-{number}"
        entry = root / run_id
        try:
            if target is None:
                entry.mkdir()
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
            "Attach to it or resume it, or set output.dir to another folder",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise RunExists(f"{at} {what}", "Set output.dir to an empty or a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fill(run: RunDirectory, identity: Identity, config_text: str) -> None:
    run.control.mkdir()
    atomic.replace(run.config, config_text.encode(), durable=True)
    said = {
        "v": 1,
        "id": identity.id,
        "kind": identity.kind,
        "name": identity.name,
        "created": identity.created,
        "cwd": str(identity.cwd),
        "after": _naming(identity.after),
        "continues": _naming(identity.continues),
    }
    text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    atomic.replace(run.identity, text.encode(), durable=True)


def _withdraw(root: Path, run: RunDirectory) -> None:
    """Take back a run that could not be filled; a folder of the user's keeps existing, empty."""
    entry = root / run.id
    if not entry.is_symlink():
        shutil.rmtree(run.path)
        return
    entry.unlink()
    run.identity.unlink(missing_ok=True)
    run.config.unlink(missing_ok=True)
    if run.control.is_dir():
        run.control.rmdir()
