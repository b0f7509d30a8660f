"""A screen with a form: what the Dataset and the Training screen have in common.

The frame is drawn first and the form right after it: the declarations (pydantic) take half as
long to import as Textual takes to start.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.worker import Worker, WorkerState, get_current_worker

from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import shell_of
from deepsynth_tui.tui.palette import PresetCommands
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
    from deepsynth_tui.workflows.preflight import Preflight

FILES_DELAY = 0.4
DRAFT_DELAY = 0.5
"""Seconds without a change before the files are looked at, and before the draft is saved."""


class FormScreen(Screen[None]):
    """A form, a panel beside it, the start line, and help on the focused field."""

    kind: ClassVar[RunKind]
    BINDINGS = bindings("form")
    COMMANDS = {PresetCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self.checked: CheckResult | None = None
        self._files: Preflight | None = None
        self._files_failure = ""
        self._files_of: object = None
        self._draft_timer: Timer | None = None
        self._kept: FormValues | None = None
        self._keeping = threading.Lock()
        self._is_starting = False
        self._to_alter: list[Callable[[FormValues], FormValues]] = []

    def panel(self) -> Widget:
        """The widget beside the form (below it in a narrow terminal)."""
        raise NotImplementedError

    def values_changed(self, checked: CheckResult) -> None:
        """Called when the form has other values; `checked` says what they are worth."""

    def files_changed(self, found: Preflight | None, state: str) -> None:
        """Called when the files have been looked at; None until then, `state` says why."""

    def suggestions(self) -> Mapping[str, Sequence[str]]:
        """Texts that fields offer to complete, by key."""
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
        # By way of the application: while it starts it holds back every paint, and what is to
        # be called after a refresh would be called before the first.
        self.app.call_later(self.call_after_refresh, self._build)

    async def _build(self) -> None:
        from deepsynth_tui.tui.forms.drafts import DraftError, load_draft
        from deepsynth_tui.tui.forms.values import FormValues
        from deepsynth_tui.tui.widgets.form import Form

        try:
            draft = load_draft(shell_of(self.app).home, self.kind)
        except DraftError as broken:
            draft = {}
            self.notify(
                f"{broken.reason}\nIt lies in {broken.moved_to} now.",
                title="The settings of last time cannot be read",
                severity="warning",
                markup=False,
            )
        values = (
            FormValues.from_mapping(self.kind, draft) if draft else FormValues.default(self.kind)
        )
        self._kept = values
        form = Form(values, suggestions=self.suggestions())
        await self.query_one("#form").mount(form)
        self.form = form
        # What an estimate imports would hold up the first sight of the form.
        self.call_after_refresh(self._check)
        for change in self._to_alter:
            self._alter(change)
        if self.focused is None:
            form.focus_first()

    def fill(self, values: Mapping[str, Any]) -> None:
        """Show these values (sections of fields, as in YAML) over what stands in the form."""
        from deepsynth_tui.config import yaml_text
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.kinds import CONFIG_TYPES

        changes = dict(yaml_text.leaves(values, fields=fields_by_key(CONFIG_TYPES[self.kind])))
        self._alter(lambda form: form.with_values(changes))

    def replace(self, values: Mapping[str, Any]) -> None:
        """Show these values, and the default of every field that they leave out."""
        from deepsynth_tui.tui.forms.values import FormValues

        self._alter(lambda _: FormValues.from_mapping(self.kind, values))

    def _alter(self, change: Callable[[FormValues], FormValues]) -> None:
        if self.form is None:
            self._to_alter.append(change)
        else:
            self.form.fill(change(self.form.values))

    # Checking

    @property
    def problems(self) -> list[Problem]:
        """Everything that keeps the run from starting, as far as is known."""
        found = self._files.problems if self._files else ()
        return [*(self.checked.problems if self.checked else ()), *found]

    def _check(self) -> None:
        if self.form is None:
            return
        self.checked = self.form.values.check()
        self._check_files(self.form.values, self.checked.config)
        self.values_changed(self.checked)
        self._show_state()

    def _check_files(self, values: FormValues, config: Config | None) -> None:
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.kinds import CONFIG_TYPES

        fields = fields_by_key(CONFIG_TYPES[self.kind])
        read = {key: v for key, v in values.values.items() if fields[key].in_preflight}
        if read == self._files_of:
            return
        self._files, self._files_failure, self._files_of = None, "", None
        self.workers.cancel_group(self, "files")
        if config is None:
            self.files_changed(None, "")
            return
        self._files_of = read
        self.files_changed(None, "checking")
        self._look_at_files(json.dumps(config.model_dump()))

    @work(exclusive=True, group="files", exit_on_error=False)
    async def _look_at_files(self, config_text: str) -> None:
        from deepsynth_tui.child_process import ChildError
        from deepsynth_tui.workflows.preflight import run_preflight

        await asyncio.sleep(FILES_DELAY)
        try:
            self._files = await run_preflight(self.kind, config_text)
        except ChildError as error:
            self._files_failure = str(error)
        self.files_changed(self._files, self._files_failure)
        self._show_state()

    @property
    def _is_checking(self) -> bool:
        return self._files_of is not None and self._files is None and not self._files_failure

    def _show_state(self) -> None:
        if self.form is None:
            return
        self.form.show_problems(self.problems)
        waiting = "checking the files" if self._is_checking else ""
        if self._is_starting:
            waiting = "starting"
        remark = f"files not checked: {self._files_failure}" if self._files_failure else ""
        self.query_one(StartBar).show(self.problems, waiting=waiting, remark=remark)
        self._explain(self.focused)

    # Starting and saving

    async def action_start(self) -> None:
        """Start the run; where something is in the way, go there instead."""
        if self.form is None or self.checked is None or self._is_starting:
            return
        if self.problems:
            first = self.problems[0]
            if not await self.form.focus_field(first.key):
                self.notify(str(first), title="Cannot start yet", severity="warning", markup=False)
        elif self._is_checking:
            self.notify("The files are still being checked.", title="Not yet")
        elif self.checked.config is not None:
            self._is_starting = True
            self._show_state()
            self._start(self.form.values, self.checked.config)

    @on(StartBar.Pressed)
    async def _press_start(self) -> None:
        await self.action_start()

    @work(thread=True, exclusive=True, group="start", exit_on_error=False)
    def _start(self, values: FormValues, config: Config) -> None:
        from deepsynth_tui.runs.directory import RunDirectoryError
        from deepsynth_tui.runs.launch import LaunchError
        from deepsynth_tui.workflows.start import start_run

        shell = shell_of(self.app)
        try:
            run = start_run(shell.home, config, values.as_yaml())
        except (RunDirectoryError, LaunchError) as error:
            said = f"{error.message}. {error.advice}"
            self.app.call_from_thread(
                self.notify, said, title="Not started", severity="error", markup=False
            )
        else:
            self.app.call_from_thread(shell.open_run, run)

    def action_save(self) -> None:
        """Ask for a path and save the settings there as YAML."""
        from deepsynth_tui.tui.screens.save import SaveDialog

        if self.form is not None:
            name = str(self.form.values.values["name"]).replace("/", "-")
            self.app.push_screen(SaveDialog(Path(f"{name}.yaml"), self.form.values.as_yaml))

    # Help, reset, drafts

    @property
    def reset_hint(self) -> str:
        """How to undo a change, as the last sentence of a notification."""
        field, section = key_of("form.reset"), key_of("form.reset_section")
        return f"{field} resets a field, {section} its section."

    @property
    def focused_row(self) -> FieldRow | None:
        """The row of the field that has the focus."""
        from deepsynth_tui.tui.widgets.field_row import FieldRow

        nodes = self.focused.ancestors_with_self if self.focused else ()
        return next((node for node in nodes if isinstance(node, FieldRow)), None)

    @property
    def about_focus(self) -> str:
        """Meaning, range and default of the focused field; empty where none has the focus."""
        from deepsynth_tui.tui.forms.field_help import field_facts

        row = self.focused_row
        return f"{row.label}: {row.spec.help}\n{field_facts(row.spec)}" if row else ""

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._explain(event.widget)

    def _explain(self, widget: Widget | None) -> None:
        if self.form is None or widget is None:
            return
        from deepsynth_tui.tui.forms.field_help import field_facts, fix_hint
        from deepsynth_tui.tui.widgets.section import Section

        line, row = self.query_one(HelpLine), self.focused_row
        if row is not None:
            problem = self.form.problem_at(row.spec.key)
            line.explain(row.spec.help, field_facts(row.spec), fix_hint(problem) if problem else "")
            return
        for node in widget.ancestors_with_self:
            if isinstance(node, Section):
                line.explain(node.spec.help, "Enter opens and closes it.")

    async def action_reset_field(self) -> None:
        """Set the focused field back to what the presets say."""
        if self.form is not None and (row := self.focused_row):
            self.form.reset_field(row)

    def action_reset_section(self) -> None:
        """Set the section of the focused field back to what the presets say."""
        from deepsynth_tui.tui.widgets.section import Section

        nodes = self.focused.ancestors_with_self if self.focused else ()
        section = next((node for node in nodes if isinstance(node, Section)), None)
        if self.form is not None and section is not None:
            self.form.reset_section(section.spec)

    def on_form_changed(self) -> None:
        self._check()
        if self._draft_timer is not None:
            self._draft_timer.stop()
        self._draft_timer = self.set_timer(DRAFT_DELAY, self._save_draft_soon)

    def on_form_preset_chosen(self, event: Form.PresetChosen) -> None:
        self.notify(
            f"{event.preset.title}\nFilled: {', '.join(event.sections)}.",
            title=f"Preset {event.preset.name}",
            timeout=3,
            markup=False,
        )

    def on_unmount(self) -> None:
        self.keep_draft()

    def keep_draft(self) -> None:
        """Save the draft now, if there is anything new in it; a save that is under way in another
        thread is waited for. Raises OSError."""
        with self._keeping:
            if self.form is not None and self.form.values is not self._kept:
                from deepsynth_tui.tui.forms.drafts import save_draft

                values = self.form.values
                save_draft(shell_of(self.app).home, values.nested())
                self._kept = values

    @work(thread=True, exclusive=True, group="draft", exit_on_error=False)
    def _save_draft_soon(self) -> None:
        if not get_current_worker().is_cancelled:
            self.keep_draft()

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "start" and event.worker.is_finished:
            self._is_starting = False
            self._show_state()
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            shell_of(self.app).report_error(event.worker.error)
