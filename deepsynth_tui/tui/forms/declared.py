"""The declared sections and the presets that a form is made of.

They are derived from pydantic models and YAML files once, and then read from a file in the cache
folder: importing pydantic and yaml takes longer than the rest of the form. As with compiled Python,
the file is valid until one of its sources has another time or size.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deepsynth_tui.config
from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.config.presets import GROUPS, Group, Preset, list_presets, presets_dir
from deepsynth_tui.runs import atomic

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind

FILE_NAME = "declarations.json"
_TUPLES = ("choices", "suggested")


@dataclass(frozen=True, slots=True)
class Declarations:
    """The sections of each kind of configuration, and the presets of each group."""

    sections: Mapping[str, tuple[SectionSpec, ...]]
    presets: Mapping[str, tuple[Preset, ...]]


def declared_sections(kind: RunKind) -> tuple[SectionSpec, ...]:
    """Return the sections of a kind of configuration in declaration order."""
    return _declarations().sections[kind]


@cache
def declared_fields(kind: RunKind) -> Mapping[str, FieldSpec]:
    """Return every field of a kind of configuration by its dotted key."""
    return {field.key: field for section in declared_sections(kind) for field in section.fields}


def declared_presets(group: Group) -> tuple[Preset, ...]:
    """Return the presets of a group, see `config.presets.list_presets`."""
    return _declarations().presets[group]


def find_preset(group: Group, name: str) -> Preset | None:
    """Return the preset with that name, or None."""
    return next((preset for preset in declared_presets(group) if preset.name == name), None)


@cache
def _declarations() -> Declarations:
    path, sources = cache_dir() / FILE_NAME, file_states(source_files())
    if (kept := load(path, sources)) is not None:
        return kept
    derived = derive()
    with contextlib.suppress(OSError):  # without the file the next start takes as long
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, derived, sources)
    return derived


def derive() -> Declarations:
    """Return what the models declare and the preset files contain."""
    from deepsynth_tui.config.fields import sections
    from deepsynth_tui.config.kinds import CONFIG_TYPES

    return Declarations(
        {kind: sections(model) for kind, model in CONFIG_TYPES.items()},
        {group: list_presets(group) for group in GROUPS},
    )


def save(path: Path, declarations: Declarations, sources: Mapping[str, Any]) -> None:
    """Write declarations, and the state of the files that they were derived from.

    Raises:
        OSError: The file cannot be written.
    """
    content = {
        "sources": sources,
        "sections": {
            kind: [
                {**_values(section), "fields": list(map(_values, section.fields))}
                for section in declared
            ]
            for kind, declared in declarations.sections.items()
        },
        "presets": {
            group: list(map(_values, presets)) for group, presets in declarations.presets.items()
        },
    }
    atomic.replace(path, json.dumps(content).encode())


def load(path: Path, sources: Mapping[str, Any]) -> Declarations | None:
    """Return the declarations in a file, None if it was not derived from files in this state."""
    try:
        content = json.loads(path.read_bytes())
        if content["sources"] != sources:
            return None
        return Declarations(
            {
                kind: tuple(
                    SectionSpec(**{**section, "fields": tuple(map(_field, section["fields"]))})
                    for section in declared
                )
                for kind, declared in content["sections"].items()
            },
            {
                group: tuple(Preset(**preset) for preset in presets)
                for group, presets in content["presets"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return None


def _field(values: Mapping[str, Any]) -> FieldSpec:
    return FieldSpec(**{**values, **{name: tuple(values[name]) for name in _TUPLES}})


def _values(item: FieldSpec | SectionSpec | Preset) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def source_files() -> list[Path]:
    """Return the files that declarations and presets are derived from."""
    package = Path(deepsynth_tui.config.__file__).parent
    return [Path(__file__), *package.rglob("*.py"), *presets_dir().rglob("*.yaml")]


def file_states(paths: Iterable[Path]) -> dict[str, list[int]]:
    """Return the time and size of each file. Raises OSError if one is gone."""
    states = {}
    for path in paths:
        status = path.stat()
        states[str(path)] = [status.st_mtime_ns, status.st_size]
    return states
