"""A form with a row for every field of a configuration, generated from its declaration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message

from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.config.presets import GROUP_TITLES, Group, Preset, find_preset, list_presets
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.tui.actions import types_character
from deepsynth_tui.tui.forms.values import (
    PRESET_GROUPS,
    PRESET_ROW_PREFIX,
    FormValues,
    form_sections,
    preset_sections,
    visible_fields,
)
from deepsynth_tui.tui.widgets.field_row import FieldRow
from deepsynth_tui.tui.widgets.section import AdvancedFields, Section


class Form(VerticalScroll, can_focus=False):
    """Rows of all fields, in sections. `values` are the values shown."""

    DEFAULT_CSS = """
    Form { scrollbar-size-vertical: 1; scrollbar-gutter: stable; padding: 0 0 1 1; }
    """

    class Changed(Message):
        """A value of the form changed."""

        def __init__(self, form: Form) -> None:
            super().__init__()
            self.form = form

        @property
        def control(self) -> Form:
            return self.form

    class PresetChosen(Message):
        """A preset was chosen and has set the fields of `sections`."""

        def __init__(self, form: Form, preset: Preset, sections: Sequence[str]) -> None:
            super().__init__()
            self.form = form
            self.preset = preset
            self.sections = sections

        @property
        def control(self) -> Form:
            return self.form

    def __init__(
        self, values: FormValues, *, suggestions: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__()
        self.values = values
        self._problems: dict[str, Problem] = {}
        self._advice: dict[str, str] = {}
        self._suggestions = suggestions or {}

    def compose(self) -> ComposeResult:
        plain, *rest = form_sections(self.values.kind)
        for field in visible_fields(plain):
            if not field.advanced:
                yield self._row(field)
        if any(field.advanced for field in visible_fields(plain)):
            advanced = AdvancedFields(plain, self._row)
            advanced.show(self.values, self._problems.keys())
            yield advanced
        for group in PRESET_GROUPS[self.values.kind]:
            if list_presets(group):
                yield self._preset_row(group)
        for index, section in enumerate(rest):
            yield Section(
                section, self.values, self._row, collapsed=section.collapsed, deferred=index > 0
            )

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave no character to the screen, whose actions it would run."""
        return types_character(character)

    @property
    def is_complete(self) -> bool:
        """Whether the fields of all open sections are mounted."""
        return all(section.is_complete for section in self.query(Section))

    def focus_first(self) -> None:
        """Focus the first field."""
        self.screen.set_focus(self.query(FieldRow).first().editor)

    def fill(self, values: FormValues) -> None:
        """Set all values at once, as if the user had typed them."""
        self.values = values
        for row in self.query(FieldRow):
            group = _preset_group(row)
            if group is None:
                row.show(values.values[row.spec.key])
            elif name := values.presets.get(group):
                row.show(name)
        self._update_rows()
        self.post_message(self.Changed(self))

    def use_preset(self, preset: Preset) -> None:
        """Set the fields of a preset and post `PresetChosen`."""
        self.fill(self.values.with_preset(preset))
        names = [s.title for s in preset_sections(self.values.kind, preset) if s.key]
        self.post_message(self.PresetChosen(self, preset, names))

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Show each problem below its field, and their number in the titles of sections."""
        self._problems = {}
        for problem in problems:
            self._problems.setdefault(problem.key, problem)
        self._update_rows()

    def show_advice(self, advice: Mapping[str, str]) -> None:
        """Show a text beside each of these fields, by key, in place of its unit."""
        self._advice = dict(advice)
        for row in self.query(FieldRow):
            row.advice = self._advice.get(row.spec.key, "")

    def problem_at(self, key: str) -> Problem | None:
        """Return the problem of a field, None if it has none."""
        return self._problems.get(key)

    def reset_field(self, row: FieldRow) -> None:
        """Reset a field to its preset."""
        if _preset_group(row) is None:
            self.fill(self.values.reset([row.spec.key]))

    def reset_section(self, section: SectionSpec) -> None:
        """Reset every field of a section to its preset."""
        self.fill(self.values.reset(self.values.changed_keys(section)))

    async def focus_field(self, key: str) -> bool:
        """Focus a field, expanding its section; return False if there is no such field."""
        for section in self.query(Section):
            if any(field.key == key for field in visible_fields(section.spec)):
                await section.open()
        for advanced in self.query(AdvancedFields):
            if any(field.key == key for field in advanced.fields):
                await advanced.open()
        for row in self.query(FieldRow):
            if row.spec.key == key:
                self.screen.set_focus(row.editor)
                return True
        return False

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        event.stop()
        group = _preset_group(event.row)
        if group is None:
            self.values = self.values.with_values({event.row.spec.key: event.value})
            self._update_rows()
            self.post_message(self.Changed(self))
        elif preset := find_preset(group, event.value):
            self.use_preset(preset)

    def _row(self, field: FieldSpec) -> FieldRow:
        row = FieldRow(
            field,
            self.values.values[field.key],
            suggestions=self._suggestions.get(field.key, ()),
        )
        return self._update_row(row)

    def _update_row(self, row: FieldRow) -> FieldRow:
        key = row.spec.key
        problem = self._problems.get(key)
        row.changed = self.values.is_changed(key)
        row.problem = problem.message if problem else ""
        row.advice = self._advice.get(key, "")
        return row

    def _preset_row(self, group: Group) -> FieldRow:
        presets = list_presets(group)
        names = dict.fromkeys(
            section.title
            for preset in presets
            for section in preset_sections(self.values.kind, preset)
            if section.key
        )
        selected = self.values.presets.get(group)
        spec = FieldSpec(
            key=PRESET_ROW_PREFIX + group,
            name=group,
            label=f"{GROUP_TITLES[group]} preset",
            kind="choice",
            default=presets[0].name,
            help=f"Sets every field of {' and '.join(names)}.",
            choices=tuple(preset.name for preset in presets),
        )
        prompts = {preset.name: f"{preset.name} · {preset.title}" for preset in presets}
        return FieldRow(spec, selected, prompts=prompts)

    def _update_rows(self) -> None:
        for row in self.query(FieldRow):
            if _preset_group(row) is None:
                self._update_row(row)
        for section in self.query(Section):
            section.show(self.values, self._problems.keys())
        for advanced in self.query_children(AdvancedFields):
            advanced.show(self.values, self._problems.keys())


def _preset_group(row: FieldRow) -> Any:
    """Return the preset group that a row chooses from, None for the row of a field."""
    key = row.spec.key
    return key.removeprefix(PRESET_ROW_PREFIX) if key.startswith(PRESET_ROW_PREFIX) else None
