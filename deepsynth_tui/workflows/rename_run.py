"""Rename a run: its name, its id, and its folder if that is in the folder of all runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.rules.rule import is_file_name
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import (
    Identity,
    RunDirectory,
    RunDirectoryError,
    id_stem,
    read_identity,
    write_identity,
)
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.private_folder import PRIVATE
from deepsynth_tui.runs.remove import names_of
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.workflows.run_references import find_references, refuse_in_use

LONGEST_NAME = 200


class CannotRename(RunDirectoryError):
    """The run cannot have this name."""


@dataclass(frozen=True, slots=True)
class RenamedRun:
    """The run under its new name. `former_id` and `former_name` still find it.

    `link` is what stays at its former path because other runs name that path; None if none does.
    `notes` say what could not be renamed with it.
    """

    run: RunDirectory
    name: str
    former_id: str
    former_name: str
    link: Path | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "id": self.run.id,
            "path": str(self.run.path),
            "name": self.name,
            "former_id": self.former_id,
            "former_name": self.former_name,
            "link": str(self.link) if self.link else None,
            "notes": list(self.notes),
        }


def rename_run(home: Path, run: RunDirectory, name: str) -> RenamedRun:
    """Give an ended run the name `name`, in `run.json`, its configuration, its id and its folder.

    A run in a folder of the user's (output.dir) keeps the folder. The cards of its adapter or
    dataset say under which name it ran.

    Raises:
        CannotRename: the name is none that a run can have, or the folder cannot be renamed.
        RunBusy: the run is live: its process works in the folder by its path.
        RunInUse: a live run needs it.
        RunUnreadable: its `run.json` is damaged.
    """
    name = name.strip()
    if len(name) > LONGEST_NAME or not is_file_name(name):
        raise CannotRename(
            f"A run needs a name of at most {LONGEST_NAME} characters without slashes",
            "Letters, digits, dots and dashes work everywhere",
        )
    identity = read_identity(run)
    if summarize(run).is_live:
        raise RunBusy(f"{run.id} is running", "Rename it when it has ended, or stop it first")
    references = find_references(home, run)
    refuse_in_use(run, references, "renamed")
    with claim(run):
        try:
            moved = _move(home, run, identity, name)
        except OSError as error:
            raise CannotRename(
                f"{run.id} cannot be renamed: {error.strerror or error}",
                "It is as it was. Make the folder of all runs writable, or free some disk space",
            ) from error
        link = None
        if moved.path != run.path and any(reference.is_by_path for reference in references):
            run.path.symlink_to(moved.path.name, target_is_directory=True)
            link = run.path
        notes = _rename_in_config(moved, name)
    return RenamedRun(moved, name, run.id, identity.name, link, notes)


def _move(home: Path, run: RunDirectory, identity: Identity, name: str) -> RunDirectory:
    """Rename the entry of the run in the folder of all runs, then its identity."""
    root = home / "runs"
    entries = names_of(home, run)
    own = next((entry for entry in entries if entry.name == run.id), None)
    stem = id_stem(identity.created, name, identity.kind)
    new_id = run.id if own is None or _has_stem(run.id, stem) else _reserve(root, stem)
    former = dict.fromkeys((*identity.former, run.id, identity.name))
    renamed = replace(
        identity,
        id=new_id,
        name=name,
        former=tuple(text for text in former if text not in (new_id, name)),
    )
    if own is None or new_id == run.id:
        write_identity(run, renamed)
        return run
    new = root / new_id
    try:
        own.rename(new) if not own.is_symlink() else _move_link(own, new)
        moved = RunDirectory(new_id, run.path if new.is_symlink() else new)
        try:
            write_identity(moved, renamed)
        except OSError:
            new.rename(own)
            raise
    except OSError:
        if new.is_dir() and not new.is_symlink() and own.exists():
            new.rmdir()  # reserved above
        raise
    for entry in entries:  # links that earlier names left
        if entry != own and not new.is_symlink():
            entry.unlink()
            entry.symlink_to(new.name, target_is_directory=True)
    return moved


def _move_link(link: Path, new: Path) -> None:
    """Rename a link over a reserved folder, which rename(2) alone refuses."""
    new.rmdir()
    link.rename(new)


def _has_stem(run_id: str, stem: str) -> bool:
    number = run_id.removeprefix(stem)
    return run_id == stem or (
        run_id.startswith(stem) and number.startswith("-") and number[1:].isdecimal()
    )


def _reserve(root: Path, stem: str) -> str:
    """Take a free id by creating an empty folder of that name. Raises OSError."""
    number = 1
    while True:
        run_id = stem if number == 1 else f"{stem}-{number}"
        try:
            (root / run_id).mkdir(PRIVATE)
        except FileExistsError:
            number += 1
        else:
            return run_id


def _rename_in_config(run: RunDirectory, name: str) -> tuple[str, ...]:
    """Set the name in the configuration; return a note if that is damaged or cannot be written."""
    try:
        text = run.config.read_text(encoding="utf-8")
        atomic.replace(run.config, yaml_text.edit(text, {"name": name}).encode(), durable=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return (f"{run.config.name} keeps its name: {reason}",)
    return ()
