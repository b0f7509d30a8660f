"""A form with a row for every field of a configuration, generated from its declaration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.message import Message
from textual.widget import Widget

from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.config.presets import GROUP_TITLES, Group, Preset
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.tui.actions import bindings, types_character
from deepsynth_tui.tui.forms.declared import declared_fields, declared_presets, find_preset
from deepsynth_tui.tui.forms.essential import ESSENTIAL_ROWS, folded_fields
from deepsynth_tui.tui.forms.history import Change, History
from deepsynth_tui.tui.forms.neighbour import neighbour
from deepsynth_tui.tui.forms.values import (
    ALPHA,
    PRESET_ROW_PREFIX,
    FormValues,
    form_sections,
    preset_sections,
)
from deepsynth_tui.tui.widgets.field_row import FieldRow
from deepsynth_tui.tui.widgets.section import AdvancedFields, Section, SectionTitle


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The essential fields in one or two columns, then all others in sections.

    `values` are the values shown.
    """

    DEFAULT_CSS = """
    Form {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        padding: 0 0 1 1;
        & > #essential {
            layout: grid;
            grid-size: 2;
            grid-gutter: 0 2;
            grid-rows: auto;
            height: auto;
            margin-bottom: 1;
        }
        & > #essential > .-whole { column-span: 2; }
    }
    """
    BINDINGS = bindings("form_fields")

    class Changed(Message):
        """A value of the form changed."""

        def __init__(self, form: Form) -> None:
            super().__init__()
            self.form = form

        @property
        def control(self) -> Form:
            return self.form

    class PresetChosen(Message):
        """A preset was chosen and has set the fields of `sections`; `replaced` had other text."""

        def __init__(
            self, form: Form, preset: Preset, sections: Sequence[str], replaced: Sequence[str]
        ) -> None:
            super().__init__()
            self.form = form
            self.preset = preset
            self.sections = sections
            self.replaced = replaced

        @property
        def control(self) -> Form:
            return self.form

    def __init__(
        self, values: FormValues, *, suggestions: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__()
        self.values = values
        self._history = History()
        self._problems: dict[str, Problem] = {}
        self._advice: dict[str, str] = {}
        self._suggestions = dict(suggestions or {})
        self._specs = declared_fields(values.kind)

    def compose(self) -> ComposeResult:
        with Container(id="essential"):
            for keys in ESSENTIAL_ROWS[self.values.kind]:
                for key in keys:
                    yield self._essential_row(key, is_whole=len(keys) == 1)
        for section in form_sections(self.values.kind):
            if folded_fields(self.values.kind, section):
                yield Section(section, self.values, self._row)

    def on_mount(self) -> None:
        self._update_rows()

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

    # Values

    def fill(self, values: FormValues, change: str = "") -> None:
        """Set all values at once, as a change with this name that can be undone."""
        if change:
            self._history.record(self.values, values, change)
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
        before = self.values
        self.fill(before.with_preset(preset), f"preset {preset.name}")
        names = [s.title for s in preset_sections(self.values.kind, preset) if s.key]
        replaced = [
            spec.label
            for key, spec in self._specs.items()
            if spec.holds == "lines"
            and before.values[key]
            and before.values[key] != self.values.values[key]
        ]
        self.post_message(self.PresetChosen(self, preset, names, replaced))

    def undo(self) -> Change | None:
        """Take the last change back and return it, None if there is none."""
        if change := self._history.undo():
            self.fill(change.before)
        return change

    def redo(self) -> Change | None:
        """Make the change again that was undone last, and return it."""
        if change := self._history.redo():
            self.fill(change.after)
        return change

    def reset_field(self, row: FieldRow) -> None:
        """Reset a field to its preset."""
        if _preset_group(row) is None:
            self.fill(self.values.reset([row.spec.key]), f"reset of {row.spec.key}")

    def reset_section(self, section: SectionSpec) -> None:
        """Reset every field of a section to its preset."""
        name = f"reset of {section.title or 'General'}"
        self.fill(self.values.reset(self.values.changed_keys(section)), name)

    # What is shown at the fields

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
            row.advice = self._advice_for(row.spec.key)

    def suggest(self, suggestions: Mapping[str, Sequence[str]]) -> None:
        """Offer these texts for completion in the fields with these keys."""
        self._suggestions.update(suggestions)
        for row in self.query(FieldRow):
            row.suggestions = self._suggestions.get(row.spec.key, ())

    def problem_at(self, key: str) -> Problem | None:
        """Return the problem of a field, None if it has none."""
        return self._problems.get(key)

    # Focus

    async def focus_field(self, key: str) -> bool:
        """Focus a field, expanding its section; return False if there is no such field."""
        for section in self.query(Section):
            if any(field.key == key for field in section.fields):
                await section.open()
        for advanced in self.query(AdvancedFields):
            if any(field.key == key for field in advanced.fields):
                await advanced.open()
        for row in self.query(FieldRow):
            if row.spec.key == key:
                self.screen.set_focus(row.editor)
                return True
        return False

    def action_move(self, direction: int) -> None:
        """Focus the field above (-1) or below (1)."""
        self._focus_neighbour(self._stops(), direction)

    def action_move_section(self, direction: int) -> None:
        """Focus the title of the section above (-1) or below (1), or the first field."""
        first = self.query(FieldRow).first().editor
        titles = [stop for stop in self._stops() if isinstance(stop, SectionTitle)]
        self._focus_neighbour([first, *titles], direction)

    def _stops(self) -> list[Widget]:
        return [widget for widget in self.screen.focus_chain if self in widget.ancestors]

    def _focus_neighbour(self, stops: Sequence[Widget], direction: int) -> None:
        if (focused := self.screen.focused) is None:
            return
        places = [(widget.region.x, widget.region.y) for widget in stops]
        index = neighbour(places, (focused.region.x, focused.region.y), direction)
        if index is not None:
            self.screen.set_focus(stops[index])

    # Rows

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        event.stop()
        group, key = _preset_group(event.row), event.row.spec.key
        if group is None:
            before = self.values
            self.values = before.with_values({key: event.value})
            self._history.record(before, self.values, key, edited=key)
            self._update_rows()
            self._show_followed_alpha(before)
            self.post_message(self.Changed(self))
        elif preset := find_preset(group, event.value):
            self.use_preset(preset)

    def _show_followed_alpha(self, before: FormValues) -> None:
        alpha = self.values.values.get(ALPHA)
        if alpha != before.values.get(ALPHA):
            for row in self.query(FieldRow):
                if row.spec.key == ALPHA:
                    row.show(alpha)

    def _essential_row(self, key: str, *, is_whole: bool) -> FieldRow:
        if key.startswith(PRESET_ROW_PREFIX):
            group: Group = next(g for g in GROUP_TITLES if key.endswith(f".{g}"))
            return self._preset_row(group, is_whole=is_whole)
        return self._row(self._specs[key], narrow_label=True, is_whole=is_whole)

    def _row(
        self, field: FieldSpec, *, narrow_label: bool = False, is_whole: bool = False
    ) -> FieldRow:
        row = FieldRow(
            field,
            self.values.values[field.key],
            suggestions=self._suggestions.get(field.key, ()),
            narrow_label=narrow_label,
            is_whole=is_whole,
        )
        return self._update_row(row)

    def _update_row(self, row: FieldRow) -> FieldRow:
        key = row.spec.key
        problem = self._problems.get(key)
        row.changed = self.values.is_changed(key)
        row.problem = problem.message if problem else ""
        row.advice = self._advice_for(key)
        return row

    def _advice_for(self, key: str) -> str:
        return self.values.alpha_note if key == ALPHA else self._advice.get(key, "")

    def _preset_row(self, group: Group, *, is_whole: bool) -> FieldRow:
        presets = declared_presets(group)
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
        return FieldRow(spec, selected, prompts=prompts, narrow_label=True, is_whole=is_whole)

    def _update_rows(self) -> None:
        off = {
            section.key
            for section in form_sections(self.values.kind)
            if section.switch and self.values.values[section.switch.key] is not True
        }
        for row in self.query(FieldRow):
            if _preset_group(row) is None:
                self._update_row(row)
        for row in self.query_one("#essential").query_children(FieldRow):
            # Not `display`, which would move the others of the grid.
            row.visible = row.spec.name == "enabled" or row.spec.key.partition(".")[0] not in off
        for section in self.query(Section):
            section.show(self.values, self._problems.keys())


def _preset_group(row: FieldRow) -> Any:
    """Return the preset group that a row chooses from, None for the row of a field."""
    key = row.spec.key
    return key.removeprefix(PRESET_ROW_PREFIX) if key.startswith(PRESET_ROW_PREFIX) else None
