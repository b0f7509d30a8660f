"""A form for every field of a configuration, drawn from its declaration."""

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
from deepsynth_tui.tui.forms.values import (
    GROUPS,
    SELECTOR,
    FormValues,
    form_sections,
    preset_sections,
    shown_fields,
)
from deepsynth_tui.tui.widgets.field_row import FieldRow
from deepsynth_tui.tui.widgets.section import More, Section


class Form(VerticalScroll, can_focus=False):
    """Rows for all fields, in sections. `values` is what they show."""

    DEFAULT_CSS = """
    Form { scrollbar-size-vertical: 1; scrollbar-gutter: stable; padding: 0 0 1 1; }
    """

    class Changed(Message):
        """The form has other values."""

        def __init__(self, form: Form) -> None:
            super().__init__()
            self.form = form

        @property
        def control(self) -> Form:
            return self.form

    class PresetChosen(Message):
        """A preset has filled its sections."""

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
        self._suggestions = suggestions or {}

    def compose(self) -> ComposeResult:
        plain, *rest = form_sections(self.values.kind)
        for field in shown_fields(plain):
            yield self._row(field)
        for group in GROUPS[self.values.kind]:
            if list_presets(group):
                yield self._preset_row(group)
        for place, section in enumerate(rest):
            yield Section(
                section, self.values, self._row, collapsed=section.collapsed, late=place > 0
            )

    def focus_first(self) -> None:
        """Go to the first field."""
        self.screen.set_focus(self.query(FieldRow).first().editor)

    def fill(self, values: FormValues) -> None:
        """Show these values, as if a person had typed them all at once."""
        self.values = values
        for row in self.query(FieldRow):
            group = _group_of(row)
            if group is None:
                row.show(values.values[row.spec.key])
            elif name := values.presets.get(group):
                row.show(name)
        self._refresh_state()
        self.post_message(self.Changed(self))

    def use_preset(self, preset: Preset) -> None:
        """Fill the preset's sections and say so."""
        self.fill(self.values.with_preset(preset))
        named = [s.title for s in preset_sections(self.values.kind, preset) if s.key]
        self.post_message(self.PresetChosen(self, preset, named))

    def show_problems(self, problems: Iterable[Problem]) -> None:
        """Show each problem below its field, and the number of them on closed sections."""
        self._problems = {}
        for problem in problems:
            self._problems.setdefault(problem.key, problem)
        self._refresh_state()

    def problem_at(self, key: str) -> Problem | None:
        """Return what is wrong with a field."""
        return self._problems.get(key)

    def reset_field(self, row: FieldRow) -> None:
        """Set a field back to what the presets say."""
        if _group_of(row) is None:
            self.fill(self.values.reset([row.spec.key]))

    def reset_section(self, section: SectionSpec) -> None:
        """Set every field of a section back to what the presets say."""
        self.fill(self.values.reset(self.values.changed(section)))

    async def focus_field(self, key: str) -> bool:
        """Open what hides a field, and go to it; False for a key that is no field of the form."""
        for section in self.query(Section):
            field = next((f for f in shown_fields(section.spec) if f.key == key), None)
            if field is not None:
                await section.open()
                if field.advanced:
                    await section.query_one(More).open()
        for row in self.query(FieldRow):
            if row.spec.key == key:
                self.screen.set_focus(row.editor)
                return True
        return False

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        event.stop()
        group = _group_of(event.row)
        if group is None:
            self.values = self.values.with_values({event.row.spec.key: event.value})
            self._refresh_state()
            self.post_message(self.Changed(self))
        elif preset := find_preset(group, event.value):
            self.use_preset(preset)

    def _row(self, field: FieldSpec) -> FieldRow:
        row = FieldRow(
            field,
            self.values.values[field.key],
            suggestions=self._suggestions.get(field.key, ()),
        )
        return self._with_state(row)

    def _with_state(self, row: FieldRow) -> FieldRow:
        key = row.spec.key
        problem = self._problems.get(key)
        row.changed = self.values.is_changed(key)
        row.problem = problem.message if problem else ""
        return row

    def _preset_row(self, group: Group) -> FieldRow:
        presets = list_presets(group)
        filled = dict.fromkeys(
            section.title
            for preset in presets
            for section in preset_sections(self.values.kind, preset)
            if section.key
        )
        name = self.values.presets.get(group)
        spec = FieldSpec(
            key=SELECTOR + group,
            name=group,
            label=f"{GROUP_TITLES[group]} preset",
            kind="choice",
            default=presets[0].name,
            help=f"Fills every field of {' and '.join(filled)}.",
            choices=tuple(preset.name for preset in presets),
        )
        prompts = {preset.name: f"{preset.name} · {preset.title}" for preset in presets}
        return FieldRow(spec, name, prompts=prompts)

    def _refresh_state(self) -> None:
        for row in self.query(FieldRow):
            if _group_of(row) is None:
                self._with_state(row)
        for section in self.query(Section):
            section.show(self.values, self._problems.keys())


def _group_of(row: FieldRow) -> Any:
    """Return the group of presets that a row chooses from; None for a field."""
    key = row.spec.key
    return key.removeprefix(SELECTOR) if key.startswith(SELECTOR) else None
