"""A screen with a form: what the Dataset and the Training screen have in common.

The frame is drawn first, the form right after it, and then it is checked: the models that check it
(pydantic) take half as long to import as Textual takes to start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.palette import PresetCommands
from deepsynth_tui.tui.screens.field_commands import FieldCommands
from deepsynth_tui.tui.screens.form_checks import ChecksForm
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.help_line import HelpLine
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.start_bar import StartBar

TAB_STOPS = "Input, TextArea, FieldSelect, Switch, StartButton, .-collapsed > SectionTitle, #panel"
"""Where Tab stops: not at the title of an open section, whose fields follow. Up and down do."""


class FormScreen(ChecksForm):
    """A form, a panel beside it, the start bar, and help on the focused field."""

    BINDINGS = bindings("form")
    COMMANDS = {PresetCommands, FieldCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._last_field: Widget | None = None

    def panel(self) -> Widget:
        """Return the widget beside the form (below it in a narrow terminal), with id `panel`."""
        raise NotImplementedError

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
        self.call_after_refresh(self._check_first)
        self.make_pending_changes()
        if self.focused is None:
            form.focus_first()

    @work(group="first check", exit_on_error=False)
    async def _check_first(self) -> None:
        """Check the form, once what that needs is imported: in a thread, while keys are taken."""
        await asyncio.to_thread(import_module, "deepsynth_tui.config.load")
        self.check()

    @property
    def takes_keys(self) -> bool:
        return self.form is not None and self.form.is_complete

    def action_save(self) -> None:
        """Ask for a path and save the settings there as YAML."""
        from deepsynth_tui.tui.screens.save import SaveDialog

        if self.form is not None:
            name = str(self.form.values.values["name"]).replace("/", "-")
            self.app.push_screen(SaveDialog(Path(f"{name}.yaml"), self.form.values.as_yaml))

    def action_show_pages(self) -> None:
        """Show the pages that the documents become, or those of the dataset to train on."""
        from deepsynth_tui.tui.screens.pages import PagesScreen

        config = self.config_to_check(self.checked) if self.checked else None
        paths = ""
        if config is not None:
            paths = config.source_paths if config.kind == "dataset" else config.dataset_paths
        if config is None or not paths:
            self.notify("Choose a path first.", title="No pages to show", timeout=3)
        else:
            self.app.push_screen(PagesScreen(config))

    # Focus and help

    def focus_next(self, selector: str | type = "*") -> Widget | None:
        return super().focus_next(TAB_STOPS if selector == "*" else selector)

    def focus_previous(self, selector: str | type = "*") -> Widget | None:
        return super().focus_previous(TAB_STOPS if selector == "*" else selector)

    def action_visit_panel(self) -> None:
        """Go to the panel, or from there back to the field."""
        panel = self.query_one("#panel")
        if not panel.has_focus:
            self._last_field = self.focused
            self.query_one("#body").add_class("-panel")
            panel.focus()
        elif self._last_field is not None and self._last_field.is_attached:
            self.query_one("#body").remove_class("-panel")
            self.set_focus(self._last_field)
        elif self.form is not None:
            self.query_one("#body").remove_class("-panel")
            self.form.focus_first()

    @property
    def focused_field_help(self) -> str:
        """Meaning, range and default of the focused field, empty where none has the focus."""
        from deepsynth_tui.tui.forms.field_help import field_facts

        row = self.focused_row
        return f"{row.label}: {row.spec.help}\n{field_facts(row.spec)}" if row else ""

    def on_text_input_suggested(self) -> None:
        self.explain(self.focused)

    def focus_moved(self, before: Widget | None) -> None:
        """Show which field has the focus, and explain it."""
        for each in (before, self.focused):
            if row := self.row_of(each):
                row.refresh()
        self.explain(self.focused)

    def explain(self, widget: Widget | None) -> None:
        """Show in the help line what the focused field or section is for."""
        if self.form is None or widget is None:
            return
        from deepsynth_tui.tui.forms.field_help import completions, field_facts, fix_hint

        line = self.query_one(HelpLine)
        if row := self.focused_row:
            problem = self.form.problem_at(row.spec.key)
            offered = completions(row.spec, row.suggestions, row.matches)
            facts = offered or field_facts(row.spec)
            line.explain(row.spec.help, facts, fix_hint(problem) if problem else "")
        elif section := self.focused_section:
            line.explain(section.help, "Enter opens and closes it.")
