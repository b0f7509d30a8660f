"""The values of a form, and those of the chosen presets to compare with. Pure: no widgets.

pydantic and yaml are imported where values are checked, read or written: they take longer to import
than the form takes to draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.config.leaves import leaves
from deepsynth_tui.config.presets import Group, Preset, compose
from deepsynth_tui.tui.forms.declared import (
    declared_fields,
    declared_presets,
    declared_sections,
    find_preset,
)

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import Config, RunKind
    from deepsynth_tui.config.load import CheckResult

PRESET_GROUPS: Mapping[RunKind, tuple[Group, ...]] = {
    "training": ("lora", "training"),
    "dataset": ("dataset",),
}
"""Groups with a row in the form."""
PALETTE_GROUPS: Mapping[RunKind, tuple[Group, ...]] = {
    "training": (*PRESET_GROUPS["training"], "recipes"),
    "dataset": PRESET_GROUPS["dataset"],
}
"""Groups that the palette offers too."""
PRESET_KEY = "lora.preset"
"""Key of the one preset that the configuration stores; the form shows it as a preset row."""
PRESET_ROW_PREFIX = "preset."
"""Key prefix of rows that choose a preset; the rest of the key is the preset group."""
RANK, ALPHA = "lora.r", "lora.lora_alpha"


@dataclass(frozen=True, slots=True)
class FormValues:
    """Every field of a form by dotted key. Immutable.

    Attributes:
        kind: Kind of configuration.
        values: Current values. They may be invalid (text in a number field), see `check`.
        baseline: Values of the chosen presets.
        presets: Name of the chosen preset of each group.
        alpha_follows: Whether a change of the rank changes alpha with it, at the ratio of the
            preset. An edited alpha does not follow, unless it keeps to that ratio.
    """

    kind: RunKind
    values: Mapping[str, Any]
    baseline: Mapping[str, Any]
    presets: Mapping[Group, str]
    alpha_follows: bool = False

    @classmethod
    def default(cls, kind: RunKind) -> FormValues:
        """Return the initial form: declared defaults, then the presets nearest to them."""
        form = cls.from_mapping(kind, {})
        return replace(form, values=form.baseline)

    @classmethod
    def from_mapping(cls, kind: RunKind, values: Mapping[str, Any]) -> FormValues:
        """Return the form for `values` nested as in YAML; unknown keys are ignored.

        Each group's preset is the one from which the fewest values differ.
        """
        defaults = {key: field.default for key, field in declared_fields(kind).items()}
        known = {key: value for key, value in leaves(values, fields=defaults) if key in defaults}
        form = cls(kind, {**defaults, **known}, defaults, {})
        for group in PRESET_GROUPS[kind]:
            if nearest := form._nearest_preset(group):
                form = replace(
                    form,
                    baseline={**form.baseline, **_preset_values(kind, nearest)},
                    presets={**form.presets, group: nearest.name},
                )
        return form._with_followed_alpha()

    def with_values(self, changes: Mapping[str, Any]) -> FormValues:
        """Return the form with these dotted keys set. Alpha follows the rank, see the class."""
        form = replace(self, values={**self.values, **changes})
        if ALPHA in changes:
            return form._with_followed_alpha()
        if RANK in changes and self.alpha_follows and (alpha := form._preset_alpha) is not None:
            return replace(form, values={**form.values, ALPHA: alpha})
        return form

    @property
    def _preset_alpha(self) -> int | None:
        """The alpha for the current rank at the ratio of the preset; None without a valid rank."""
        rank = self.values.get(RANK)
        if not isinstance(rank, int) or rank < 1:
            return None
        return max(1, round(rank * self.baseline[ALPHA] / self.baseline[RANK]))

    def _with_followed_alpha(self) -> FormValues:
        """Return the form whose alpha follows the rank if it has the ratio of the preset."""
        alpha = self._preset_alpha
        return replace(self, alpha_follows=alpha is not None and self.values[ALPHA] == alpha)

    def with_preset(self, preset: Preset) -> FormValues:
        """Return the form with the values of a preset.

        A preset without a row leaves those with one as they are, and its values are changes to
        them.
        """
        values = _preset_values(self.kind, preset)
        if preset.group not in PRESET_GROUPS[self.kind]:
            return self.with_values(values)
        form = replace(
            self,
            values={**self.values, **values},
            baseline={**self.baseline, **values},
            presets={**self.presets, preset.group: preset.name},
        )
        return form._with_followed_alpha()

    def reset(self, keys: Iterable[str]) -> FormValues:
        """Return the form with these fields reset to their presets. Alpha follows the rank then."""
        changes = {key: self.baseline[key] for key in keys}
        form = replace(self, values={**self.values, **changes})
        if ALPHA in changes:
            form = replace(form, alpha_follows=True)
        if form.alpha_follows and (alpha := form._preset_alpha) is not None:
            form = replace(form, values={**form.values, ALPHA: alpha})
        return form

    def is_changed(self, key: str) -> bool:
        """Return whether a field differs from its preset. An alpha that follows does not."""
        if key == ALPHA and self.alpha_follows:
            return False
        return self.values[key] != self.baseline[key]

    @property
    def alpha_note(self) -> str:
        """How alpha relates to the rank, such as `= 2 x r`; empty without valid numbers."""
        rank, alpha = self.values.get(RANK), self.values.get(ALPHA)
        if not isinstance(rank, int) or not isinstance(alpha, int) or rank < 1:
            return ""
        return f"= {alpha / rank:.3g} x r"

    def changed_keys(self, section: SectionSpec) -> tuple[str, ...]:
        """Return the keys of a section's fields that differ from their presets."""
        return tuple(field.key for field in visible_fields(section) if self.is_changed(field.key))

    def nested(self) -> dict[str, Any]:
        """Return the values nested as in YAML."""
        nested: dict[str, Any] = {"kind": self.kind}
        for key, value in self.values.items():
            section, _, name = key.rpartition(".")
            (nested.setdefault(section, {}) if section else nested)[name] = value
        return nested

    def check(self) -> CheckResult:
        """Return every problem of the values, and the configuration if there is none."""
        from deepsynth_tui.config.load import check_values

        return check_values(self.nested())

    def as_config(self) -> Config | None:
        """Return the configuration if every field is valid, whatever rules between fields say."""
        from pydantic import ValidationError

        from deepsynth_tui.config.kinds import CONFIG_TYPES

        try:
            return CONFIG_TYPES[self.kind].model_validate(self.nested())
        except ValidationError:
            return None

    def as_yaml(self) -> str:
        """Return the values as YAML, with the comments of the chosen presets. Takes a moment."""
        from deepsynth_tui.config import yaml_text

        presets = (find_preset(group, name) for group, name in self.presets.items())
        header = yaml_text.edit("", {"kind": self.kind, "name": self.values["name"]})
        text = f"{header}\n{compose(tuple(preset for preset in presets if preset), {})}"
        return yaml_text.edit(text, self.values)

    def _nearest_preset(self, group: Group) -> Preset | None:
        stored = find_preset(group, str(self.values.get(PRESET_KEY))) if group == "lora" else None
        return stored or min(declared_presets(group), key=self._distance, default=None)

    def _distance(self, preset: Preset) -> int:
        values = _preset_values(self.kind, preset)
        return sum(self.values[key] != values[key] for key in values if key != PRESET_KEY)


def form_sections(kind: RunKind) -> tuple[SectionSpec, ...]:
    """Return the sections of a form in declaration order."""
    return declared_sections(kind)


def visible_fields(section: SectionSpec) -> tuple[FieldSpec, ...]:
    """Return the fields of a section that are shown as rows."""
    return tuple(
        field for field in section.fields if field.key != PRESET_KEY and not field.yaml_only
    )


def preset_sections(kind: RunKind, preset: Preset) -> tuple[SectionSpec, ...]:
    """Return the sections that a preset sets."""
    keys = {key.partition(".")[0] if "." in key else "" for key in preset.changes}
    return tuple(section for section in form_sections(kind) if section.key in keys)


@cache
def _cached_preset_values(kind: RunKind, group: Group, name: str) -> Mapping[str, Any]:
    preset = find_preset(group, name)
    if preset is None:
        raise LookupError(f"there is no {group} preset {name!r}")
    defaults = {
        field.key: field.default
        for section in preset_sections(kind, preset)
        if section.key and section.preset_resets
        for field in section.fields
    }
    stored = {PRESET_KEY: preset.name} if group == "lora" else {}
    return {**defaults, **preset.changes, **stored}


def _preset_values(kind: RunKind, preset: Preset) -> Mapping[str, Any]:
    """Return the values of all fields that a preset sets; those it does not name are defaults."""
    return _cached_preset_values(kind, preset.group, preset.name)
