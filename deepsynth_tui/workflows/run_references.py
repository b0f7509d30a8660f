"""Which other runs need a run: they wait for it, continue it, or name it in their settings."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import Identity, ListedRun, RunDirectory, RunNotFound, scan_runs
from deepsynth_tui.runs.summary import summarize

NAME_KEYS = ("path", "eval_path", "name_or_path", "init_from", "after")
"""Last part of the keys whose value can be the id or name of a run."""


class RunInUse(UserError):
    """A live run needs this one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """That `run` needs another. `relation` completes "RUN ...": "names it in data.path".

    `is_by_path` if it would not find the other under another path.
    """

    run: RunDirectory
    relation: str
    is_by_path: bool
    is_live: bool

    def to_json(self) -> dict[str, str]:
        """Return the fields that a person reads."""
        return {"id": self.run.id, "relation": self.relation}


def find_references(home: Path, run: RunDirectory) -> list[Reference]:
    """Return the runs under `home` that need `run`, newest first.

    A run that lies in the folder of `run` needs it, too.
    """
    listing = scan_runs(home)
    target = os.path.realpath(run.path)
    own = next((entry for entry in listing if os.path.realpath(entry.run.path) == target), None)
    texts = _names(run, own.identity if own else None)
    references = []
    for entry in listing:
        if os.path.realpath(entry.run.path) == target:
            continue
        if relations := list(_relations(entry, target, texts)):
            is_by_path = any(by_path for _, by_path in relations)
            is_live = _is_live(entry.run)
            references.append(Reference(entry.run, relations[0][0], is_by_path, is_live))
    return references


def refuse_in_use(run: RunDirectory, references: Sequence[Reference], action: str) -> None:
    """Raise RunInUse if a live run is among `references`; `action` is a past participle."""
    if live := [reference for reference in references if reference.is_live]:
        raise RunInUse(
            f"{run.id} cannot be {action}: {live[0].run.id} is running and {live[0].relation}",
            f"Wait for the end of {live[0].run.id}, or stop it",
        )


def _names(run: RunDirectory, identity: Identity | None) -> frozenset[str]:
    """Return every text that a setting may call the run by, apart from a path."""
    named = (identity.name, *identity.former) if identity else ()
    return frozenset((run.id, run.path.name, *named))


def _relations(entry: ListedRun, target: str, names: frozenset[str]) -> Iterator[tuple[str, bool]]:
    if _is_inside(entry.run.path, target):
        yield "lies in its folder", True
    identity = entry.identity
    if identity is None:
        return
    if identity.after and os.path.realpath(identity.after.path) == target:
        yield "starts after it", True
    if identity.continues and os.path.realpath(identity.continues.path) == target:
        yield "continues it", True
    in_target = _is_inside(identity.cwd, target)  # then a path may lead there without any name
    for key, value in _settings(entry.run, ("",) if in_target else names):
        path = identity.cwd / os.path.expanduser(value)  # noqa: PTH111 - raises nothing
        if _is_inside(path, target):
            yield f"names it in {key}", True
        elif value in names and key.rpartition(".")[2] in NAME_KEYS:
            yield f"names it in {key}", False


def _is_live(run: RunDirectory) -> bool:
    try:
        return summarize(run).is_live
    except RunNotFound:  # deleted meanwhile
        return False


def _is_inside(path: Path, target: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(target)


def _settings(run: RunDirectory, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each text in the settings of `run` by its key, if one of `names` is in them at all."""
    try:
        text = run.config.read_text(encoding="utf-8")
        # Reading YAML takes a thousand times as long as this.
        values = yaml_text.parse(text).values if any(name in text for name in names) else {}
    except (OSError, ValueError):  # a damaged configuration names nothing
        return
    yield from _texts(values, "")


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _texts(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, key)
    elif isinstance(value, str) and value and "\0" not in value:
        yield key, value
