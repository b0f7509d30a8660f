"""The folder of a search: it appears complete or not at all, and one process works in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.search import ON_RESUME, SearchConfig
from deepsynth_tui.runs import atomic, file_lock
from deepsynth_tui.runs.directory import RunDirectoryError
from deepsynth_tui.runs.json_file import BadContent, Fields, read_object
from deepsynth_tui.runs.private_folder import make_private


class SearchError(RunDirectoryError):
    """The folder of a search cannot be created, found or used."""


@dataclass(frozen=True, slots=True)
class SearchFolder:
    """The files of a search. `cwd` is what paths in its base are relative to."""

    path: Path
    cwd: Path

    @property
    def config(self) -> Path:
        """The search with every default filled in."""
        return self.path / "search.yaml"

    @property
    def base(self) -> Path:
        """The base, frozen when the search began."""
        return self.path / "base.yaml"

    @property
    def journal(self) -> Path:
        """Optuna's storage."""
        return self.path / "optuna.log"

    @property
    def trials(self) -> Path:
        """The folders of the runs, by the number of the trial."""
        return self.path / "trials"

    @property
    def results(self) -> Path:
        """The state of all trials as JSON, replaced whenever it changes."""
        return self.path / "results.json"

    @property
    def best(self) -> Path:
        """The best configuration so far."""
        return self.path / "best.yaml"

    @property
    def clock(self) -> Path:
        """How long the search has run."""
        return self.path / "clock.json"


def create_folder(home: Path, config: SearchConfig, base_text: str) -> SearchFolder:
    """Create the folder of a new search. A kill leaves no half of it under its name.

    Raises SearchError if it exists and is not empty, or cannot be written.
    """
    path = _new_path(home, config)
    if (path / "search.json").exists():
        raise SearchError(f"{path} holds a search already", "Continue it with --resume")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        state = "is not empty" if path.is_dir() else "is a file"
        raise SearchError(f"{path} {state}", "Set output.dir to an empty or a new folder")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        make_private(draft)
        text = yaml_text.dump(config.model_dump())
        (draft / "search.yaml").write_text(text, encoding="utf-8")
        (draft / "base.yaml").write_text(base_text, encoding="utf-8")
        identity = {"v": 1, "name": config.name, "cwd": str(Path.cwd()), "created": time.time()}
        (draft / "search.json").write_text(json.dumps(identity), encoding="utf-8")
        atomic.sync_all(draft)
        draft.rename(path)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise SearchError(
            f"Cannot create {path}: {error.strerror or error}", "Choose a writable folder"
        ) from error
    return open_folder(path)


def find_folder(home: Path, config: SearchConfig) -> SearchFolder:
    """Return the folder of the search to resume: `output.dir`, or the newest of its name.

    Raises SearchError if there is none, if it is not complete, or if `config` is another search.
    """
    if config.output.dir:
        folder = open_folder(Path(config.output.dir).expanduser().resolve())
    else:
        folders = sorted((home / "searches").glob(f"*-{_slug(config.name)}"), reverse=True)
        if not folders:
            raise SearchError(
                f"There is no search {config.name} to resume", "Start it without --resume"
            )
        folder = open_folder(folders[0])
    frozen = _frozen(folder)
    now = config.model_dump()
    changed = [key for key in now if key not in ON_RESUME and now[key] != frozen.get(key)]
    if changed:
        raise SearchError(
            f"The search in {folder.path} has other settings: {', '.join(changed)}",
            "Give it another name or output.dir; trials, max_hours and max_cost may change",
        )
    return folder


def open_folder(path: Path) -> SearchFolder:
    """Return the search in exactly this folder. Raises SearchError."""
    file = path / "search.json"
    try:
        return SearchFolder(path, Path(Fields(read_object(file), file.name).text("cwd")))
    except FileNotFoundError as error:
        raise SearchError(f"{path} holds no search", "Start it without --resume") from error
    except (OSError, BadContent) as error:
        raise SearchError(f"{file} cannot be read: {error}", "Start a new search") from error


@contextmanager
def search_lock(folder: SearchFolder) -> Iterator[None]:
    """Hold the lock of a search. Raises SearchError if another process has it."""
    held = file_lock.try_lock(folder.path / "lock")
    if held is None:
        raise SearchError(f"The search in {folder.path} is running", "Wait for it, or stop it")
    try:
        yield
    finally:
        held.close()


def _frozen(folder: SearchFolder) -> dict[str, Any]:
    try:
        values = yaml_text.parse(folder.config.read_text(encoding="utf-8")).values
        return SearchConfig.model_validate(values).model_dump()
    except (OSError, ValueError) as error:
        raise SearchError(
            f"{folder.config} cannot be read: {error}", "Start a new search"
        ) from error


def _new_path(home: Path, config: SearchConfig) -> Path:
    if config.output.dir:
        return Path(config.output.dir).expanduser().resolve()
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{_slug(config.name)}"
    return home.absolute() / "searches" / stem


def _slug(name: str) -> str:
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-") or "search"
