"""What never changes about a run, in its `run.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.json_file import (
    CACHED_FILES,
    BadContent,
    Fields,
    read_object,
    settled_version,
)
from deepsynth_tui.runs.run_directory import RunDirectory, RunNotFound, RunUnreadable

LAST_TIME = 1e11
"""Seconds since the epoch (the year 5138) beyond which a time is garbage."""


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
