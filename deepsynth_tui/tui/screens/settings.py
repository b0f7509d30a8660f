"""The settings of the interface. A change takes effect at once and is kept in the file."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.interface import InterfaceSettings
from deepsynth_tui.errors import UserError
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.calm_screen import CalmModalScreen
from deepsynth_tui.tui.widgets.field_row import FieldRow


class SettingsScreen(CalmModalScreen[None]):
    """A row for each setting, and where the keys are set."""

    CSS_PATH = ["dialog.tcss", "settings.tcss"]
    BINDINGS = bindings("settings")

    def compose(self) -> ComposeResult:
        values = app_api(self.app).settings.model_dump()
        with Container(classes="dialog -wide"):
            yield Static("Settings", classes="dialog-title")
            for spec in fields_by_key(InterfaceSettings).values():
                if not spec.yaml_only:
                    yield FieldRow(spec, values[spec.key])
            yield Static(id="explanation", markup=False)
            yield Static(self._about_the_file(), id="file")

    def _about_the_file(self) -> Content:
        """Return where the settings are, what is wrong there, and how keys are set."""
        app = app_api(self.app)
        lines = [Content(f"File    {app.settings_file or 'none: changes are not kept'}")]
        lines += [Content.styled(f"✗ {each}", "$text-error") for each in app.settings_problems]
        count = len(app.keymap)
        keys = f"{count} changed" if count else "as declared"
        lines.append(
            Content.styled(
                f"Keys    {keys}; set under `keymap` in the file, as in `monitor.stop: x`. "
                "`deepsynth-tui keys` lists the names.",
                "$muted",
            )
        )
        lines.append(Content.styled(f"{key_of('settings.close')} closes.", "$muted"))
        return Content("\n").join(lines)

    def focus_moved(self, before: Widget | None) -> None:
        """Explain the focused setting."""
        for row in self.query(FieldRow):
            if row.editor is self.focused:
                self.query_one("#explanation", Static).update(row.spec.help)

    def action_move(self, direction: int) -> None:
        """Go to the setting above (-1) or below (1)."""
        if direction > 0:
            self.focus_next()
        else:
            self.focus_previous()

    @on(FieldRow.Edited)
    def _change(self, event: FieldRow.Edited) -> None:
        """Use and keep a valid value; say what is wrong with another."""
        row, value = event.row, event.value
        row.problem = ""
        if problem := _problem(row.spec.key, value):
            row.problem = problem
            return
        try:
            app_api(self.app).change_settings({row.spec.key: value})
        except UserError as error:
            self.notify(str(error), title="Not saved", severity="error")


def _problem(key: str, value: object) -> str:
    """Return what is wrong with a value, empty if nothing is."""
    from pydantic import ValidationError

    from deepsynth_tui.config.load import validation_problems

    try:
        InterfaceSettings.model_validate({key: value})
    except ValidationError as error:
        return validation_problems(error, InterfaceSettings)[0].message
    return ""
