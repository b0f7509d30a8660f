"""The commented YAML files under `presets/`, each of which sets whole sections at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.config import yaml_text

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
    """A partial configuration. `title` is the first comment of its file, `text` the whole file."""

    name: str
    group: Group
    title: str
    values: Mapping[str, Any]
    text: str

    @property
    def changes(self) -> dict[str, Any]:
        """The values that it sets, by dotted key."""
        return dict(yaml_text.leaves(self.values))


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
    text = "\n".join(preset.text.strip("\n") + "\n" for preset in presets)
    return yaml_text.edit(text, changes)


def _read(group: Group, path: Path) -> Preset:
    text = path.read_text(encoding="utf-8")
    first_line, _, _ = text.partition("\n")
    return Preset(
        name=path.stem,
        group=group,
        title=first_line.lstrip("# ").rstrip(),
        values=yaml_text.parse(text).values,
        text=text,
    )


def _order(group: Group, path: Path) -> tuple[int, str]:
    names = LIGHTEST_FIRST[group]
    return (names.index(path.stem) if path.stem in names else len(names), path.stem)
