"""The commented YAML files under `presets/` that fill whole sections at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.config import yaml_text

Group = Literal["lora", "training", "dataset"]
GROUPS: tuple[Group, ...] = ("lora", "training", "dataset")


@dataclass(frozen=True, slots=True)
class Preset:
    """A partial configuration. `title` is the first comment of its file; `text` the whole file."""

    name: str
    group: Group
    title: str
    values: Mapping[str, Any]
    text: str

    @property
    def changes(self) -> dict[str, Any]:
        """What it sets, by dotted key."""
        return dict(yaml_text.leaves(self.values))


def presets_dir() -> Path:
    """Return the folder of presets: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "presets"
    return installed if installed.is_dir() else package.parent / "presets"


@cache
def list_presets(group: Group) -> tuple[Preset, ...]:
    """Return the presets of a group, from the lightest to the heaviest, others by name."""
    paths = (presets_dir() / group).glob("*.yaml")
    return tuple(_read(group, path) for path in sorted(paths, key=lambda path: _rank(group, path)))


def find_preset(group: Group, name: str) -> Preset | None:
    """Return the preset of that name, or None."""
    return next((preset for preset in list_presets(group) if preset.name == name), None)


def compose(presets: tuple[Preset, ...], changes: Mapping[str, Any]) -> str:
    """Return one YAML text of several presets, comments kept, with `changes` (dotted) on top."""
    text = "\n".join(preset.text.strip("\n") + "\n" for preset in presets)
    return yaml_text.edit(text, changes)


def _read(group: Group, path: Path) -> Preset:
    text = path.read_text(encoding="utf-8")
    first, _, _ = text.partition("\n")
    return Preset(
        name=path.stem,
        group=group,
        title=first.lstrip("# ").rstrip(),
        values=yaml_text.parse(text).values,
        text=text,
    )


LIGHTEST_FIRST: Mapping[Group, tuple[str, ...]] = {
    "lora": ("minimal", "standard", "high_capacity", "qlora_4bit", "qlora_8bit"),
    "training": ("quick_test", "standard", "high_quality", "memory_efficient", "fsdp_qlora"),
    "dataset": (),
}


def _rank(group: Group, path: Path) -> tuple[int, str]:
    known = LIGHTEST_FIRST[group]
    return (known.index(path.stem) if path.stem in known else len(known), path.stem)
