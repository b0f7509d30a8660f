"""The values of a form, and what the chosen presets say about each of them. Pure: no widgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import ValidationError

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.fields import FieldSpec, SectionSpec, fields_by_key, sections
from deepsynth_tui.config.kinds import CONFIG_TYPES, Config, RunKind
from deepsynth_tui.config.load import CheckResult, check_values
from deepsynth_tui.config.presets import Group, Preset, compose, find_preset, list_presets

GROUPS: Mapping[RunKind, tuple[Group, ...]] = {
    "training": ("lora", "training"),
    "dataset": ("dataset",),
}
PRESET_FIELD = "lora.preset"
"""The one preset that the configuration itself names; a form shows it as its selector."""
SELECTOR = "preset."
"""Beginning of the key of a row that is no field but chooses a preset of the group after it."""


@dataclass(frozen=True, slots=True)
class FormValues:
    """Every field of a form by dotted key: `values` as they stand, `baseline` as the presets say.

    Values may be invalid (text where a number belongs): `check` names what is wrong with them.
    `presets` holds the name of the chosen preset of each group.
    """

    kind: RunKind
    values: Mapping[str, Any]
    baseline: Mapping[str, Any]
    presets: Mapping[Group, str]

    @classmethod
    def default(cls, kind: RunKind) -> FormValues:
        """Return the form that a person finds at first: what is declared, on its presets."""
        form = cls.of(kind, {})
        return replace(form, values=form.baseline)

    @classmethod
    def of(cls, kind: RunKind, values: Mapping[str, Any]) -> FormValues:
        """Return the form for `values` as in YAML; keys that are no fields are left out.

        The presets are those that the values come closest to.
        """
        defaults = {key: field.default for key, field in fields_by_key(CONFIG_TYPES[kind]).items()}
        form = cls(kind, defaults, defaults, {})
        found = yaml_text.leaves(values, fields=defaults)
        known = {key: value for key, value in found if key in form.values}
        form = replace(form, values={**form.values, **known})
        for group in GROUPS[kind]:
            if nearest := form._nearest_preset(group):
                form = replace(
                    form,
                    baseline={**form.baseline, **_meaning(kind, nearest)},
                    presets={**form.presets, group: nearest.name},
                )
        return form

    def with_values(self, changes: Mapping[str, Any]) -> FormValues:
        """Return the form with these dotted keys set."""
        return replace(self, values={**self.values, **changes})

    def with_preset(self, preset: Preset) -> FormValues:
        """Return the form filled by a preset."""
        meaning = _meaning(self.kind, preset)
        return replace(
            self,
            values={**self.values, **meaning},
            baseline={**self.baseline, **meaning},
            presets={**self.presets, preset.group: preset.name},
        )

    def reset(self, keys: Iterable[str]) -> FormValues:
        """Return the form with these fields back to what the presets say."""
        return self.with_values({key: self.baseline[key] for key in keys})

    def is_changed(self, key: str) -> bool:
        """Whether a field differs from what the presets say."""
        return self.values[key] != self.baseline[key]

    def changed(self, section: SectionSpec) -> tuple[str, ...]:
        """Return the keys of a section that differ from what the presets say."""
        return tuple(field.key for field in shown_fields(section) if self.is_changed(field.key))

    def nested(self) -> dict[str, Any]:
        """Return the values as YAML has them: sections of fields."""
        nested: dict[str, Any] = {"kind": self.kind}
        for key, value in self.values.items():
            section, _, name = key.rpartition(".")
            (nested.setdefault(section, {}) if section else nested)[name] = value
        return nested

    def check(self) -> CheckResult:
        """Return every problem of the values, and the configuration when there is none."""
        return check_values(self.nested())

    def as_config(self) -> Config | None:
        """Return the configuration if every value is valid alone, whatever rules it breaks."""
        try:
            return CONFIG_TYPES[self.kind].model_validate(self.nested())
        except ValidationError:
            return None

    def as_yaml(self) -> str:
        """Return every value as YAML, with the comments of the chosen presets. Not instant."""
        found = [find_preset(group, name) for group, name in self.presets.items()]
        named = yaml_text.edit("", {"kind": self.kind, "name": self.values["name"]})
        text = f"{named}\n{compose(tuple(preset for preset in found if preset), {})}"
        return yaml_text.edit(text, self.values)

    def _nearest_preset(self, group: Group) -> Preset | None:
        named = find_preset(group, str(self.values.get(PRESET_FIELD))) if group == "lora" else None
        return named or min(list_presets(group), key=self._distance, default=None)

    def _distance(self, preset: Preset) -> int:
        meaning = _meaning(self.kind, preset)
        return sum(self.values[key] != meaning[key] for key in meaning if key != PRESET_FIELD)


def form_sections(kind: RunKind) -> tuple[SectionSpec, ...]:
    """Return the sections of a form in the order of their declaration."""
    return sections(CONFIG_TYPES[kind])


def shown_fields(section: SectionSpec) -> tuple[FieldSpec, ...]:
    """Return the fields of a section that are rows of the form."""
    return tuple(
        field for field in section.fields if field.key != PRESET_FIELD and not field.yaml_only
    )


def preset_sections(kind: RunKind, preset: Preset) -> tuple[SectionSpec, ...]:
    """Return the sections that a preset fills."""
    touched = {key.partition(".")[0] if "." in key else "" for key in preset.changes}
    return tuple(section for section in form_sections(kind) if section.key in touched)


@cache
def _meaning_of(kind: RunKind, group: Group, name: str) -> Mapping[str, Any]:
    preset = find_preset(group, name)
    if preset is None:
        raise LookupError(f"no {group} preset is called {name!r}")
    whole = {
        field.key: field.default
        for section in preset_sections(kind, preset)
        if section.key and section.preset_resets
        for field in section.fields
    }
    named = {PRESET_FIELD: preset.name} if group == "lora" else {}
    return {**whole, **preset.changes, **named}


def _meaning(kind: RunKind, preset: Preset) -> Mapping[str, Any]:
    """Return what a preset makes of the fields it fills: those it does not name are defaults."""
    return _meaning_of(kind, preset.group, preset.name)
