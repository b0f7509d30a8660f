"""The commented YAML files under `presets/`, each of which sets whole sections at once.

YAML is imported where a file is read: the form, which reads none, starts without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.config.leaves import leaves

Group = Literal["lora", "training", "dataset", "recipes"]

GROUP_TITLES: Mapping[Group, str] = {
    "lora": "LoRA",
    "training": "Training",
    "dataset": "Dataset",
    "recipes": "Recipe",
}
"""A recipe is what others published for a model: it sets the fields of several groups."""
GROUPS: tuple[Group, ...] = tuple(GROUP_TITLES)
LIGHTEST_FIRST: Mapping[Group, tuple[str, ...]] = {
    "lora": ("minimal", "standard", "high_capacity", "qlora_4bit", "qlora_8bit"),
    "training": ("quick_test", "standard", "high_quality", "memory_efficient", "fsdp_qlora"),
    "dataset": (),
    "recipes": (),
}
"""The order of a group's presets, which their files cannot express: they contain nothing but
settings. Presets that are not named here, such as a user's own, come last."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A partial configuration. `title` is the first comment of its file, `text` the whole file.

    `values` are nested as in the file, `changes` are the same by dotted key.
    """

    name: str
    group: Group
    title: str
    values: Mapping[str, Any]
    changes: Mapping[str, Any]
    text: str


def presets_dir() -> Path:
    """Return the folder of presets: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "presets"
    return installed if installed.is_dir() else package.parent / "presets"


@cache
def list_presets(group: Group) -> tuple[Preset, ...]:
    """Return the presets of a group, from the lightest to the heaviest, then others by name."""
    paths = (presets_dir() / group).glob("*.yaml")
    return tuple(_read(group, path) for path in sorted(paths, key=lambda path: _order(group, path)))


def find_preset(group: Group, name: str) -> Preset | None:
    """Return the preset with that name, or None."""
    return next((preset for preset in list_presets(group) if preset.name == name), None)


def compose(presets: tuple[Preset, ...], changes: Mapping[str, Any]) -> str:
    """Return the YAML text of several presets, comments included, with `changes` (dotted) set."""
    from deepsynth_tui.config import yaml_text

    text = "\n".join(preset.text.strip("\n") + "\n" for preset in presets)
    return yaml_text.edit(text, changes)


def _read(group: Group, path: Path) -> Preset:
    from deepsynth_tui.config import yaml_text

    text = path.read_text(encoding="utf-8")
    values = yaml_text.parse(text).values
    first_line, _, _ = text.partition("\n")
    return Preset(
        name=path.stem,
        group=group,
        title=first_line.lstrip("# ").rstrip(),
        values=values,
        changes=dict(leaves(values)),
        text=text,
    )


def _order(group: Group, path: Path) -> tuple[int, str]:
    names = LIGHTEST_FIRST[group]
    return (names.index(path.stem) if path.stem in names else len(names), path.stem)
