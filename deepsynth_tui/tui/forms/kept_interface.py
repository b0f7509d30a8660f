"""The settings of the interface, read without pydantic and yaml where they were checked before.

Like the declarations of the forms, valid settings are kept in the cache folder, and count until the
file, or the code that checks it, has another time or size. A file with problems is checked at each
start.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.runs import atomic
from deepsynth_tui.tui.forms.declared import file_states, source_files

if TYPE_CHECKING:
    from deepsynth_tui.config.problems import Problem

FILE_NAME = "interface.json"


@dataclass(frozen=True, slots=True)
class InterfaceValues:
    """The value of every setting by its name, and what is wrong with the file. What is wrong has
    its default value."""

    values: Mapping[str, Any]
    problems: Sequence[Problem] = ()


def read_interface(path: Path) -> InterfaceValues:
    """Return the settings in a file, as `config.interface.load_interface` reads it."""
    kept_in = cache_dir() / FILE_NAME
    try:
        sources = file_states([path, *source_files()])
    except OSError:  # the file is gone, or cannot be looked at
        sources = {}
    if sources and (values := _load(kept_in, sources)) is not None:
        return InterfaceValues(values)
    # Deferred: pydantic takes long to import.
    from deepsynth_tui.config.interface import load_interface

    loaded = load_interface(path)
    values = loaded.settings.model_dump(mode="json")
    if sources and not loaded.problems:
        with contextlib.suppress(OSError):  # without the file the next start takes as long
            kept_in.parent.mkdir(parents=True, exist_ok=True)
            content = {"sources": sources, "values": values}
            atomic.replace(kept_in, json.dumps(content).encode())
    return InterfaceValues(values, loaded.problems)


def _load(kept_in: Path, sources: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the kept settings, None if there are none from files in this state."""
    try:
        content = json.loads(kept_in.read_bytes())
        values = content["values"] if content["sources"] == sources else None
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return None
    return values if isinstance(values, dict) else None
