"""What changes a form: other screens, resets, undo, and an editor of the user's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.screens.draft import SavesDraft

if TYPE_CHECKING:
    from textual.widget import Widget

    from deepsynth_tui.config.fields import SectionSpec
    from deepsynth_tui.tui.forms.external_editor import EditorError
    from deepsynth_tui.tui.forms.history import Change
    from deepsynth_tui.tui.forms.values import FormValues
    from deepsynth_tui.tui.widgets.field_row import FieldRow
    from deepsynth_tui.tui.widgets.form import Form


class EditsForm(SavesDraft):
    """Base of the form screens with the actions that change values."""

    def __init__(self) -> None:
        super().__init__()
        self._pending_changes: list[tuple[Callable[[FormValues], FormValues], str]] = []

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set these values (sections of fields, as in YAML) and leave all others."""
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.kinds import CONFIG_TYPES
        from deepsynth_tui.config.leaves import leaves

        changes = dict(leaves(values, fields=fields_by_key(CONFIG_TYPES[self.kind])))
        self.change_values(lambda form: form.with_values(changes), ", ".join(changes))

    def replace(self, values: Mapping[str, Any]) -> None:
        """Set these values, and every other field to its default."""
        from deepsynth_tui.tui.forms.values import FormValues

        name = "settings of a run"
        self.change_values(lambda _: FormValues.from_mapping(self.kind, values), name)

    def change_values(self, change: Callable[[FormValues], FormValues], name: str) -> None:
        """Show the values that `change` returns, as soon as the form is there.

        It can be undone; `name` says what it was.
        """
        if self.form is None:
            self._pending_changes.append((change, name))
        else:
            self.form.fill(change(self.form.values), name)

    def make_pending_changes(self) -> None:
        """Make the changes that were asked for before the form was there."""
        for change, name in self._pending_changes:
            self.change_values(change, name)
        self._pending_changes.clear()

    def on_form_preset_chosen(self, event: Form.PresetChosen) -> None:
        lines = [event.preset.title, f"Sets {', '.join(event.sections)}."]
        if event.replaced:
            lines.append(f"Replaces {', '.join(event.replaced)}.")
        self.notify(
            "\n".join([*lines, self.undo_hint]),
            title=f"Preset {event.preset.name}",
            timeout=3 if not event.replaced else None,
            markup=False,
        )

    # Resets and undo

    async def action_reset_field(self) -> None:
        """Reset the focused field to the preset."""
        if self.form is not None and (row := self.focused_row):
            self.form.reset_field(row)

    def action_reset_section(self) -> None:
        """Reset all fields of the focused section to the preset."""
        if self.form is not None and (section := self.focused_section):
            self.form.reset_section(section)

    def action_undo(self) -> None:
        """Take the last change back."""
        if self.form is not None:
            self._tell(self.form.undo(), "Undone", is_undo=True)

    def action_redo(self) -> None:
        """Make the change again that was undone."""
        if self.form is not None:
            self._tell(self.form.redo(), "Redone", is_undo=False)

    def _tell(self, change: Change | None, title: str, *, is_undo: bool) -> None:
        from deepsynth_tui.tui.forms.history import describe

        if change is None:
            self.notify(f"There is nothing to {'undo' if is_undo else 'redo'}.", timeout=3)
            return
        states = (change.after, change.before) if is_undo else (change.before, change.after)
        self.notify(describe(*states), title=f"{title}: {change.name}", timeout=3, markup=False)

    @property
    def undo_hint(self) -> str:
        """How to undo a change, as the last sentence of a notification."""
        return f"{key_of('form.undo', while_typing=True)} undoes it."

    # An editor outside

    def on_editor_wanted(self) -> None:
        """Edit the text of the focused field in the editor that $VISUAL or $EDITOR names."""
        from deepsynth_tui.tui.forms.external_editor import EditorError

        if (row := self.focused_row) is None:
            return
        text = self._edit_outside(str(row.value or ""))
        if isinstance(text, EditorError):
            message = f"{text.message}\n{text.advice}"
            self.notify(message, title="Not edited", severity="error", markup=False)
            return
        row.edit(row.spec.from_text(text))

    def _edit_outside(self, text: str) -> str | EditorError:
        """Lend the terminal to the editor. An error inside `suspend` would leave it lent."""
        from deepsynth_tui.tui.forms.external_editor import EditorError, edit_text

        try:
            with self.app.suspend():
                try:
                    return edit_text(text)
                except EditorError as error:
                    return error
        except SuspendNotSupported:
            return EditorError("This terminal cannot start an editor.", "Edit the text here.")

    # Focus

    @property
    def focused_row(self) -> FieldRow | None:
        """The row of the field that has the focus."""
        return self.row_of(self.focused)

    @staticmethod
    def row_of(widget: Widget | None) -> FieldRow | None:
        """Return the row that a widget is in, None if it is in no row."""
        from deepsynth_tui.tui.widgets.field_row import FieldRow

        nodes = widget.ancestors_with_self if widget is not None else ()
        return next((node for node in nodes if isinstance(node, FieldRow)), None)

    @property
    def focused_section(self) -> SectionSpec | None:
        """The section of the field or title that has the focus."""
        from deepsynth_tui.tui.forms.values import form_sections
        from deepsynth_tui.tui.widgets.section import Section

        nodes = self.focused.ancestors_with_self if self.focused else ()
        if section := next((node for node in nodes if isinstance(node, Section)), None):
            return section.spec
        if row := self.focused_row:
            key = row.spec.key.rpartition(".")[0]
            return next((spec for spec in form_sections(self.kind) if spec.key == key), None)
        return None
