"""A screen with a form: what the Dataset and the Training screen have in common.

The frame is drawn first and the form right after it: the declarations (pydantic) take half as
long to import as Textual takes to start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widget import Widget
from textual.worker import Worker

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.palette import PresetCommands
from deepsynth_tui.tui.screens.draft import SavesDraft
from deepsynth_tui.tui.screens.file_check import FileCheck
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.help_line import HelpLine
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.start_bar import StartBar

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import Config
    from deepsynth_tui.config.load import CheckResult
    from deepsynth_tui.config.problems import Problem
    from deepsynth_tui.tui.forms.values import FormValues
    from deepsynth_tui.tui.widgets.field_row import FieldRow
    from deepsynth_tui.tui.widgets.form import Form
    from deepsynth_tui.tui.widgets.section import Section
    from deepsynth_tui.workflows.preflight import Preflight


class FormScreen(SavesDraft):
    """A form, a panel beside it, the start bar, and help on the focused field."""

    BINDINGS = bindings("form")
    COMMANDS = {PresetCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.checked: CheckResult | None = None
        self._file_check = FileCheck(self.kind)
        self._is_starting = False
        self._pending_changes: list[Callable[[FormValues], FormValues]] = []

    def panel(self) -> Widget:
        """Return the widget beside the form (below it in a narrow terminal)."""
        raise NotImplementedError

    def values_changed(self, checked: CheckResult) -> None:
        """Called when the values have changed; `checked` is the result of their check."""

    def files_changed(self, preflight: Preflight | None, state: str) -> None:
        """Called with the result of the file check, or with None and why there is none."""

    def suggestions(self) -> Mapping[str, Sequence[str]]:
        """Return the texts that fields complete, by key."""
        return {}

    def compose(self) -> ComposeResult:
        yield ModeBar(self.kind)
        with Horizontal(id="body"):
            yield Container(id="form")
            yield self.panel()
        with Container(id="bottom"):
            yield StartBar()
            yield HelpLine()
        yield DiffedFooter()

    def on_mount(self) -> None:
        # Through the application: while it starts it delays every paint, and a callback "after
        # refresh" would come before the first.
        self.app.call_later(self.call_after_refresh, self._mount_form)

    async def _mount_form(self) -> None:
        from deepsynth_tui.tui.widgets.form import Form

        form = Form(self.load_draft(), suggestions=self.suggestions())
        await self.query_one("#form").mount(form)
        self.form = form
        # After the form is drawn: the imports of an estimate take longer.
        self.call_after_refresh(self._check)
        for change in self._pending_changes:
            self.change_values(change)
        if self.focused is None:
            form.focus_first()

    @property
    def takes_keys(self) -> bool:
        return self.form is not None and self.form.is_complete

    # Values

    def fill(self, values: Mapping[str, Any]) -> None:
        """Set these values (sections of fields, as in YAML) and leave all others."""
        from deepsynth_tui.config import yaml_text
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.kinds import CONFIG_TYPES

        changes = dict(yaml_text.leaves(values, fields=fields_by_key(CONFIG_TYPES[self.kind])))
        self.change_values(lambda form: form.with_values(changes))

    def replace(self, values: Mapping[str, Any]) -> None:
        """Set these values, and every other field to its default."""
        from deepsynth_tui.tui.forms.values import FormValues

        self.change_values(lambda _: FormValues.from_mapping(self.kind, values))

    def change_values(self, change: Callable[[FormValues], FormValues]) -> None:
        """Show the values that `change` returns, as soon as the form is there."""
        if self.form is None:
            self._pending_changes.append(change)
        else:
            self.form.fill(change(self.form.values))

    def on_form_changed(self) -> None:
        self._check()
        self.save_draft_soon()

    def on_form_preset_chosen(self, event: Form.PresetChosen) -> None:
        self.notify(
            f"{event.preset.title}\nSets {', '.join(event.sections)}.",
            title=f"Preset {event.preset.name}",
            timeout=3,
            markup=False,
        )

    async def action_reset_field(self) -> None:
        """Reset the focused field to the preset."""
        if self.form is not None and (row := self.focused_row):
            self.form.reset_field(row)

    def action_reset_section(self) -> None:
        """Reset all fields of the focused section to the preset."""
        if self.form is not None and (section := self.focused_section):
            self.form.reset_section(section.spec)

    @property
    def reset_hint(self) -> str:
        """How to undo a change, as the last sentence of a notification."""
        field, section = key_of("form.reset"), key_of("form.reset_section")
        return f"{field} resets a field, {section} its section."

    # Checks

    @property
    def preflight(self) -> Preflight | None:
        """The result of the check of the files, None while there is none."""
        return self._file_check.preflight

    @property
    def problems(self) -> list[Problem]:
        """Everything that keeps the run from starting, as far as it is known."""
        preflight = self.preflight
        return [
            *(self.checked.problems if self.checked else ()),
            *(preflight.problems if preflight else ()),
        ]

    def _check(self) -> None:
        if self.form is None:
            return
        self.checked = self.form.values.check()
        config = self.checked.config
        if self._file_check.reset(self.form.values, can_run=config is not None):
            self.workers.cancel_group(self, "files")
            self.files_changed(None, "" if config is None else "Checking the files …")
            if config is not None:
                self._check_files(config)
        self.values_changed(self.checked)
        self._show_state()

    @work(exclusive=True, group="files", exit_on_error=False)
    async def _check_files(self, config: Config) -> None:
        await self._file_check.run(config)
        self.files_changed(self._file_check.preflight, self._file_check.failure)
        self._show_state()

    def files_remark(self) -> str:
        """Return what the check of the files says beside the start button, if nothing is wrong."""
        return ""

    def _show_state(self) -> None:
        if self.form is None:
            return
        self.form.show_problems(self.problems)
        waiting = "checking the files" if self._file_check.is_running else ""
        if self._is_starting:
            waiting = "starting"
        failure = self._file_check.failure
        remark = f"files not checked: {failure}" if failure else self.files_remark()
        self.query_one(StartBar).show(self.problems, waiting=waiting, remark=remark)
        self._explain(self.focused)

    # Starting and saving

    async def action_start(self) -> None:
        """Start the run, or go to the first problem."""
        if self.form is None or self.checked is None or self._is_starting:
            return
        if self.problems:
            first = self.problems[0]
            if not await self.form.focus_field(first.key):
                self.notify(str(first), title="Cannot start yet", severity="warning", markup=False)
        elif self._file_check.is_running:
            self.notify("The files are still being checked.", title="Cannot start yet")
        elif self.checked.config is not None:
            self._is_starting = True
            self._show_state()
            self._start_run(self.form.values, self.checked.config)

    @on(StartBar.Pressed)
    async def _press_start(self) -> None:
        await self.action_start()

    @work(thread=True, exclusive=True, group="start", exit_on_error=False)
    def _start_run(self, values: FormValues, config: Config) -> None:
        from deepsynth_tui.runs.directory import RunDirectoryError
        from deepsynth_tui.runs.launch import LaunchError
        from deepsynth_tui.workflows.start import start_run

        api = app_api(self.app)
        try:
            run = start_run(api.home, config, values.as_yaml())
        except (RunDirectoryError, LaunchError) as error:
            self.notify(str(error), title="Not started", severity="error", markup=False)
        else:
            self.app.call_from_thread(api.open_run, run)

    @on(Worker.StateChanged)
    def _enable_start(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "start" and event.worker.is_finished:
            self._is_starting = False
            self._show_state()

    def action_save(self) -> None:
        """Ask for a path and save the settings there as YAML."""
        from deepsynth_tui.tui.screens.save import SaveDialog

        if self.form is not None:
            name = str(self.form.values.values["name"]).replace("/", "-")
            self.app.push_screen(SaveDialog(Path(f"{name}.yaml"), self.form.values.as_yaml))

    # Focus and help

    @property
    def focused_row(self) -> FieldRow | None:
        """The row of the field that has the focus."""
        from deepsynth_tui.tui.widgets.field_row import FieldRow

        nodes = self.focused.ancestors_with_self if self.focused else ()
        return next((node for node in nodes if isinstance(node, FieldRow)), None)

    @property
    def focused_section(self) -> Section | None:
        """The section that has the focus."""
        from deepsynth_tui.tui.widgets.section import Section

        nodes = self.focused.ancestors_with_self if self.focused else ()
        return next((node for node in nodes if isinstance(node, Section)), None)

    @property
    def focused_field_help(self) -> str:
        """Meaning, range and default of the focused field, empty where none has the focus."""
        from deepsynth_tui.tui.forms.field_help import field_facts

        row = self.focused_row
        return f"{row.label}: {row.spec.help}\n{field_facts(row.spec)}" if row else ""

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._explain(event.widget)

    def _explain(self, widget: Widget | None) -> None:
        """Show in the help line what the focused field or section is for."""
        if self.form is None or widget is None:
            return
        from deepsynth_tui.tui.forms.field_help import field_facts, fix_hint

        line = self.query_one(HelpLine)
        if row := self.focused_row:
            problem = self.form.problem_at(row.spec.key)
            line.explain(row.spec.help, field_facts(row.spec), fix_hint(problem) if problem else "")
        elif section := self.focused_section:
            line.explain(section.spec.help, "Enter opens and closes it.")
