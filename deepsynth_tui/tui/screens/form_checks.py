"""What is wrong with a form, and its start: settings at once, files in a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.widget import Widget
from textual.worker import Worker

from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.screens.file_check import FileCheck
from deepsynth_tui.tui.screens.form_editing import EditsForm
from deepsynth_tui.tui.widgets.start_bar import StartBar

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import Config
    from deepsynth_tui.config.load import CheckResult
    from deepsynth_tui.config.problems import Problem
    from deepsynth_tui.tui.forms.values import FormValues
    from deepsynth_tui.workflows.preflight import Preflight


class ChecksForm(EditsForm):
    """Base of the form screens that checks after each change, and starts the run."""

    def __init__(self) -> None:
        super().__init__()
        self.checked: CheckResult | None = None
        self._file_check = FileCheck(self.kind)
        self._is_starting = False
        self._starts_when_checked = False

    def values_changed(self, checked: CheckResult) -> None:
        """Called when the values have changed; `checked` is the result of their check."""

    def files_changed(self, preflight: Preflight | None, state: str) -> None:
        """Called with the result of the file check, or with None and why there is none."""

    def files_remark(self) -> str:
        """Return what the check of the files says beside the start button, if nothing is wrong."""
        return ""

    def explain(self, widget: Widget | None) -> None:
        """Show in the help line what a focused widget is for."""
        raise NotImplementedError

    def config_to_check(self, checked: CheckResult) -> Config | None:
        """Return what the files are checked for, None if there is nothing to check."""
        return checked.valid_part

    @property
    def preflight(self) -> Preflight | None:
        """The result of the check of the files, None while there is none."""
        return self._file_check.preflight

    @property
    def problems(self) -> list[Problem]:
        """Everything that keeps the run from starting, as far as it is known."""
        settings = self.checked.problems if self.checked else ()
        faulty = {problem.key for problem in settings}
        files = self.preflight.problems if self.preflight else ()
        # A field with a problem had its default in the check of the files.
        return [*settings, *(problem for problem in files if problem.key not in faulty)]

    # Checks

    def on_form_changed(self) -> None:
        self._starts_when_checked = False
        self.check()
        self.save_draft_soon()

    def check(self, *, again: bool = False) -> None:
        """Check the settings, and the files they name if these have changed or `again`."""
        if self.form is None:
            return
        self.checked = self.form.values.check()
        config = self.config_to_check(self.checked)
        if again:
            self._file_check.forget()
        if self._file_check.reset(config):
            self.workers.cancel_group(self, "files")
            self.files_changed(None, "" if config is None else "Checking the files …")
            if config is not None:
                self._check_files(config, at_once=again)
        self.values_changed(self.checked)
        self.show_state()

    def action_check_again(self) -> None:
        """Check files and models again, for what has changed outside of the form."""
        self.check(again=True)

    @work(exclusive=True, group="files", exit_on_error=False)
    async def _check_files(self, config: Config, *, at_once: bool) -> None:
        await self._file_check.run(config, at_once=at_once)
        self.files_changed(self._file_check.preflight, self._file_check.failure)
        self.show_state()
        if self._starts_when_checked:
            self._starts_when_checked = False
            if not self.problems:
                self._begin()

    def show_state(self) -> None:
        """Show the problems at their fields, and whether the run can start."""
        if self.form is None:
            return
        self.form.show_problems(self.problems)
        waiting = ""
        if self._is_starting:
            waiting = "starting"
        elif self._file_check.is_running:
            then = ", then starting" if self._starts_when_checked else ""
            waiting = f"checking the files{then}"
        failure = self._file_check.failure
        remark = f"files not checked: {failure}" if failure else self.files_remark()
        self.query_one(StartBar).show(self.problems, waiting=waiting, remark=remark)
        self.explain(self.focused)

    # Start

    async def action_start(self) -> None:
        """Start the run, or go to the first problem.

        Files that were wrong, or are still being checked, are checked first: they may have been
        mended outside of the form.
        """
        if self.form is None or self.checked is None or self._is_starting:
            return
        if self.problems:
            first = self.problems[0]
            if not await self.form.focus_field(first.key):
                self.notify(str(first), title="Cannot start yet", severity="warning", markup=False)
        if self._file_check.is_running:
            self._starts_when_checked = not self.checked.problems
            self.show_state()
        elif self.problems or self._file_check.failure:
            self._starts_when_checked = not self.checked.problems
            self.check(again=True)
        else:
            self._begin()

    def _begin(self) -> None:
        if self.form is not None and self.checked is not None and self.checked.config is not None:
            self._is_starting = True
            self.show_state()
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
            self.show_state()
