"""Every key binding of the interface, declared once.

Bindings, footer, command palette, help and the keys named in texts are read from this table. Keys
avoid those that terminals and multiplexers take: no action has a `ctrl+` chord as its only key.

A key that types a character acts only in lists and panels, and in dialogs without a text field.
Everywhere in a form it acts on the focused widget alone, if on anything: a text field may be one
Tab away. `Form` and `StartBar` see to that (`check_consume_key`), so that an action of the screen
has another key, which works there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from textual._context import active_app
from textual.binding import Binding, BindingType
from textual.keys import format_key, key_to_character

Place = Literal[
    "app",
    "form",
    "training",
    "dataset",
    "monitor",
    "runs",
    "adapters",
    "exam",
    "trials",
    "fit_panel",
    "run_table",
    "list_table",
    "form_fields",
    "field_row",
    "field_select",
    "text_input",
    "lines_input",
    "save_dialog",
    "stop_dialog",
    "retry_dialog",
    "run_dialog",
    "try_out",
    "compare",
    "filter_input",
    "crash_dialog",
    "help",
    "xray",
    "pages",
    "settings",
    "jump",
]

CLASSES: Mapping[Place, str] = {
    "app": "deepsynth_tui.tui.app:DeepsynthApp",
    "form": "deepsynth_tui.tui.screens.form_screen:FormScreen",
    "training": "deepsynth_tui.tui.screens.training:TrainingScreen",
    "dataset": "deepsynth_tui.tui.screens.dataset:DatasetScreen",
    "monitor": "deepsynth_tui.tui.screens.monitor:MonitorScreen",
    "runs": "deepsynth_tui.tui.screens.runs:RunsScreen",
    "adapters": "deepsynth_tui.tui.screens.adapters:AdaptersScreen",
    "exam": "deepsynth_tui.tui.screens.exam:ExamScreen",
    "trials": "deepsynth_tui.tui.screens.trials:TrialsScreen",
    "fit_panel": "deepsynth_tui.tui.fit.panel:FitPanel",
    "run_table": "deepsynth_tui.tui.widgets.run_table:RunTable",
    "list_table": "deepsynth_tui.tui.widgets.list_table:ListTable",
    "form_fields": "deepsynth_tui.tui.widgets.form:Form",
    "field_row": "deepsynth_tui.tui.widgets.field_row:FieldRow",
    "field_select": "deepsynth_tui.tui.widgets.field_select:FieldSelect",
    "text_input": "deepsynth_tui.tui.widgets.text_input:TextInput",
    "lines_input": "deepsynth_tui.tui.widgets.lines_input:LinesInput",
    "save_dialog": "deepsynth_tui.tui.screens.save:SaveDialog",
    "stop_dialog": "deepsynth_tui.tui.screens.stop:StopDialog",
    "retry_dialog": "deepsynth_tui.tui.screens.retry:RetryDialog",
    "run_dialog": "deepsynth_tui.tui.screens.run_dialog:RunDialog",
    "try_out": "deepsynth_tui.tui.screens.try_out:TryOutScreen",
    "compare": "deepsynth_tui.tui.screens.compare:CompareScreen",
    "filter_input": "deepsynth_tui.tui.widgets.filter_input:FilterInput",
    "crash_dialog": "deepsynth_tui.tui.screens.crash:CrashDialog",
    "help": "deepsynth_tui.tui.screens.help:HelpScreen",
    "xray": "deepsynth_tui.tui.screens.xray:XrayScreen",
    "pages": "deepsynth_tui.tui.screens.pages:PagesScreen",
    "settings": "deepsynth_tui.tui.screens.settings:SettingsScreen",
    "jump": "deepsynth_tui.tui.screens.jump:JumpScreen",
}
"""The class that has the bindings and the `action_` methods of a place, as `module:class`."""


@runtime_checkable
class HasKeymap(Protocol):
    """An application with keys of the user's choice, by the id of their action."""

    keymap: Mapping[str, str]

    @property
    def is_ascii(self) -> bool:
        """Whether keys have names in ASCII."""
        ...


@dataclass(frozen=True, slots=True)
class Action:
    """An action and its keys.

    `id` names it in a keymap, `keys` are separated by commas, and `method` is the name of its
    `action_` method with arguments. `label` and `help` are shown in the palette and in the help;
    the footer shows the label if `footer` is set.
    """

    id: str
    keys: str
    method: str
    label: str
    help: str
    place: Place
    footer: bool = False


# fmt: off
ACTIONS: tuple[Action, ...] = (
    # The mode bar shows the keys of the modes, so the footer does not.
    Action("app.dataset", "f2", "go('dataset')", "Dataset",
           "Make a dataset from documents", "app"),
    Action("app.training", "f3", "go('training')", "Training",
           "Set up a training run", "app"),
    Action("app.runs", "f4", "go('runs')", "Runs",
           "List running and finished runs", "app"),
    Action("app.adapters", "f8", "go('adapters')", "Adapters",
           "List adapters; compare, merge and export them", "app"),
    Action("app.help", "f1,question_mark", "help", "Help",
           "Show the keys and explain the focused field", "app", footer=True),
    Action("app.palette", "f9,ctrl+p", "command_palette", "Palette",
           "Search all actions and presets", "app", footer=True),
    Action("app.settings", "f12", "settings", "Settings",
           "Theme, ASCII, mouse, notifications, and the file with the keys", "app"),
    Action("app.jump", "g,ctrl+n", "jump", "Jump",
           "Show a letter at everything that takes the focus; typing it goes there", "app"),
    Action("app.quit", "f10,ctrl+q", "quit", "Quit",
           "Quit; runs continue", "app", footer=True),
    Action("app.help_quit", "ctrl+c", "help_quit", "How to quit",
           "Show the key that quits", "app"),

    Action("form.start", "f5", "start", "Start",
           "Start a run with these settings", "form", footer=True),
    Action("form.save", "f6", "save", "Save",
           "Save these settings as YAML", "form", footer=True),
    Action("form.reset", "f7", "reset_field", "Reset",
           "Reset this field to the preset", "form", footer=True),
    Action("form.reset_section", "shift+f7,f19", "reset_section", "Reset section",
           "Reset all fields of this section to the preset", "form"),
    Action("form.undo", "u,ctrl+z", "undo", "Undo",
           "Take the last change back, a preset or a reset too", "form", footer=True),
    Action("form.redo", "U,ctrl+y", "redo", "Redo",
           "Make the change again that was undone", "form"),
    Action("form.check", "r,ctrl+r", "check_again", "Check again",
           "Check the files again, after a change outside of the form", "form"),
    Action("form.pages", "p,ctrl+l", "show_pages", "Pages",
           "Show the pages of the documents or of the dataset, row by row", "form"),

    Action("fit.panel", "escape", "visit_panel", "Panel",
           "Go to the memory panel (left and right: rank, 4: 4-bit), and back", "training",
           footer=True),
    Action("fit.simulate", "s,ctrl+t", "simulate", "Simulate",
           "Simulate one training step for a more accurate estimate", "training"),
    Action("fit.apply", "a,ctrl+g", "apply", "Make it fit",
           "Apply the change that the memory panel suggests", "training"),
    Action("fit.xray", "x,ctrl+o", "xray", "X-ray",
           "Show the first batch as the model gets it, token by token", "training"),

    Action("source.panel", "escape", "visit_panel", "Panel",
           "Go to the panel about the documents, and back", "dataset", footer=True),
    Action("source.propose", "a,ctrl+g", "use_proposal", "Use columns",
           "Use the columns that the panel suggests", "dataset"),

    Action("monitor.stop", "s", "stop", "Stop",
           "Stop the run, now or after a checkpoint", "monitor", footer=True),
    Action("monitor.resume", "R", "resume", "Resume",
           "Resume this run from its last checkpoint or shard", "monitor", footer=True),
    Action("monitor.retry", "r", "retry", "Retry",
           "Start a new run with the change that the error suggests", "monitor", footer=True),
    Action("monitor.train", "t", "train", "Train on",
           "Train on this dataset, or go on from this adapter", "monitor"),
    Action("monitor.try", "u", "try_out", "Try",
           "Show the answers of this adapter to a page", "monitor"),
    Action("monitor.copy_path", "y", "copy_path", "Copy path",
           "Copy the path of what the run made", "monitor"),
    Action("monitor.copy_code", "Y", "copy_code", "Copy code",
           "Copy the Python code that loads what the run made", "monitor"),
    Action("monitor.zoom", "z", "zoom", "Zoom",
           "Show the focused pane alone, or all panes again", "monitor", footer=True),
    Action("monitor.next_pane", "tab", "pane(1)", "Next pane",
           "Focus the next pane; while one is zoomed, zoom the next", "monitor"),
    Action("monitor.previous_pane", "shift+tab", "pane(-1)", "Previous pane",
           "Focus the pane before; while one is zoomed, zoom the one before", "monitor"),
    Action("monitor.search", "slash", "search", "Search",
           "Show only the lines of the log with a text", "monitor", footer=True),
    Action("monitor.level", "w", "level", "Level",
           "Show only warnings and errors of the log, only errors, or all lines", "monitor"),
    Action("monitor.follow", "f,end", "follow", "Follow",
           "Follow the newest line of the log", "monitor"),
    Action("monitor.copy", "c", "copy_log", "Copy log",
           "Copy the last lines of the log", "monitor"),
    Action("monitor.samples", "v", "samples", "Samples",
           "Show a page and the answers to it alone, or all panes again", "monitor", footer=True),
    Action("monitor.sample_before", "left", "sample(-1)", "Sample before",
           "Show the answers to the page before", "monitor"),
    Action("monitor.next_sample", "right", "sample(1)", "Next sample",
           "Show the answers to the next page", "monitor"),
    Action("monitor.log_scale", "l", "log_scale", "Log scale",
           "Show the loss on a logarithmic scale, or a linear one", "monitor"),
    Action("monitor.smoothing", "o", "smoothing", "Smoothing",
           "Show the loss smoothed, or as it is", "monitor"),
    Action("monitor.metrics", "m", "metrics", "Metrics",
           "Choose the metrics beside the loss", "monitor"),
    Action("monitor.next", "n", "next_run", "Next run",
           "Show the run that waits for this run", "monitor", footer=True),
    Action("monitor.back", "escape", "back", "Back",
           "Close this view; the run continues", "monitor", footer=True),

    Action("runs.open", "enter", "open", "Open",
           "Show this run", "runs", footer=True),
    Action("runs.filter", "slash", "filter", "Filter",
           "Show only the runs with a text in a column", "runs", footer=True),
    Action("runs.mark", "space", "mark", "Mark",
           "Mark this run, to compare or delete it with others", "runs", footer=True),
    Action("runs.compare", "equals_sign", "compare", "Compare",
           "Compare the marked runs with this one", "runs", footer=True),
    Action("runs.resume", "R", "resume", "Resume",
           "Resume this run from its last checkpoint or shard", "runs", footer=True),
    Action("runs.extend", "x", "extend", "Extend",
           "Train this run for more steps", "runs"),
    Action("runs.sort", "o", "sort", "Sort",
           "Sort by the next column: age, name, state, best eval, time", "runs"),
    Action("runs.rename", "n", "rename", "Rename",
           "Give this run another name", "runs"),
    Action("runs.delete", "D", "delete", "Delete",
           "Delete the marked runs, or this one", "runs"),
    Action("runs.stop", "s", "stop", "Stop",
           "Stop this run, now or after a checkpoint", "runs", footer=True),
    Action("runs.clone", "c", "clone", "Clone",
           "Set up a new run with the settings of this run", "runs"),
    Action("runs.hold", "h", "hold", "Hold",
           "Hold this run in the queue, or let it start again", "runs"),
    Action("runs.earlier", "less_than_sign", "move_in_queue(-1)", "Earlier",
           "Let this run start before the one ahead of it in the queue", "runs"),
    Action("runs.later", "greater_than_sign", "move_in_queue(1)", "Later",
           "Let this run start after the next one in the queue", "runs"),
    Action("runs.search", "v", "show_search", "Search view",
           "Show the search that this run is a trial of, or the newest search", "runs"),
    Action("runs.archive", "a", "archive", "Archive",
           "Take the marked runs, or this one, out of the list; or bring them back", "runs"),
    Action("runs.archived", "A", "show_archived", "Archived",
           "List the archived runs, or the others again", "runs"),
    Action("runs.clear", "escape", "clear", "Clear",
           "Remove the filter and all marks", "runs"),

    Action("adapters.details", "enter", "details", "Details",
           "Show all that is known of this adapter, or the list again", "adapters"),
    Action("adapters.filter", "slash", "filter", "Filter",
           "Show only the adapters with a text in a column", "adapters"),
    Action("adapters.mark", "space", "mark", "Mark",
           "Mark this adapter, to compare, try or delete it with others", "adapters", footer=True),
    Action("adapters.compare", "equals_sign", "compare", "Compare",
           "Examine the marked adapters, or this one, and their base on the same pages",
           "adapters", footer=True),
    Action("adapters.try", "u", "try_out", "Try",
           "Show the answers of the marked adapters, or of this one, to a page", "adapters",
           footer=True),
    Action("adapters.merge", "e", "merge", "Merge",
           "Merge this adapter into its base model", "adapters", footer=True),
    Action("adapters.export", "x", "export", "Export",
           "Export this adapter", "adapters", footer=True),
    Action("adapters.delete", "D", "delete", "Delete",
           "Delete the marked adapters, or this one", "adapters"),
    Action("adapters.result", "v", "show_result", "Result",
           "Show the result of the last exam, merge or export", "adapters"),
    Action("adapters.stop", "s", "stop", "Stop",
           "Stop the exam, merge or export", "adapters"),
    Action("adapters.folder", "f", "add_folder", "Add folder",
           "List the adapters in a folder or of a Hub id as well", "adapters"),
    Action("adapters.refresh", "r", "refresh_list", "Read again",
           "Look for adapters again", "adapters"),
    Action("adapters.copy_path", "y", "copy_path", "Copy path",
           "Copy the path of this adapter", "adapters"),
    Action("adapters.clear", "escape", "clear", "Clear",
           "Close the details; remove the filter and all marks", "adapters"),

    Action("trials.open", "enter", "open", "Open",
           "Show the run of this trial", "trials", footer=True),
    Action("trials.stop", "s", "stop", "Stop trial",
           "Stop this trial; the search goes on with the others", "trials", footer=True),
    Action("trials.clone", "c", "clone", "Clone",
           "Set up a run with the settings of this trial", "trials", footer=True),
    Action("trials.use_best", "b", "use_best", "Use best",
           "Make the best configuration of this search that of a new run", "trials", footer=True),
    Action("trials.previous", "left", "turn(-1)", "Newer search",
           "Show the search that began after this one", "trials"),
    Action("trials.next", "right", "turn(1)", "Older search",
           "Show the search that began before this one", "trials"),
    Action("trials.back", "escape", "dismiss", "Back",
           "Show the runs again; the search goes on", "trials", footer=True),

    Action("exam.previous", "left,p", "turn(-1)", "Previous",
           "Show the row before", "exam", footer=True),
    Action("exam.next", "right,n", "turn(1)", "Next",
           "Show the row after, on which the answers differ less", "exam", footer=True),
    Action("exam.metric", "m", "metric", "Metric",
           "Compare and order the rows by another metric", "exam", footer=True),
    Action("exam.zoom", "z", "zoom", "Zoom",
           "Show the page and the answers alone, or the scores as well", "exam", footer=True),
    Action("exam.close", "escape", "dismiss", "Back",
           "Close the result of the exam; it is kept", "exam", footer=True),

    # Widgets: these keys apply while the widget has the focus.
    Action("fit.rank_down", "left", "rank(-1)", "Lower rank",
           "Change to the next lower LoRA rank", "fit_panel"),
    Action("fit.rank_up", "right", "rank(1)", "Higher rank",
           "Change to the next higher LoRA rank", "fit_panel"),
    Action("fit.four_bits", "4", "bits(4)", "4-bit",
           "Quantize the weights in 4 bits, or no longer", "fit_panel"),
    Action("fit.eight_bits", "8", "bits(8)", "8-bit",
           "Quantize the weights in 8 bits, or no longer", "fit_panel"),
    Action("fit.gpu_down", "down", "gpu(1)", "Next GPU",
           "Select the GPU below", "fit_panel"),
    Action("fit.gpu_up", "up", "gpu(-1)", "Previous GPU",
           "Select the GPU above", "fit_panel"),
    Action("run_table.up", "up", "cursor_up", "Newer run",
           "Select the run above", "run_table"),
    Action("run_table.down", "down", "cursor_down", "Older run",
           "Select the run below", "run_table"),
    Action("run_table.page_up", "pageup", "page_up", "Page up",
           "Select a run one page above", "run_table"),
    Action("run_table.page_down", "pagedown", "page_down", "Page down",
           "Select a run one page below", "run_table"),
    Action("run_table.first", "home", "scroll_top", "Newest run",
           "Select the first run", "run_table"),
    Action("run_table.last", "end", "scroll_bottom", "Oldest run",
           "Select the last run", "run_table"),
    Action("list_table.up", "up", "cursor_up", "Row above",
           "Select the row above", "list_table"),
    Action("list_table.down", "down", "cursor_down", "Row below",
           "Select the row below", "list_table"),
    Action("list_table.page_up", "pageup", "page_up", "Page up",
           "Select a row one page above", "list_table"),
    Action("list_table.page_down", "pagedown", "page_down", "Page down",
           "Select a row one page below", "list_table"),
    Action("list_table.first", "home", "scroll_top", "First row",
           "Select the first row", "list_table"),
    Action("list_table.last", "end", "scroll_bottom", "Last row",
           "Select the last row", "list_table"),
    Action("form.up", "up", "move(-1)", "Field above",
           "Go to the field above", "form_fields"),
    Action("form.down", "down", "move(1)", "Field below",
           "Go to the field below", "form_fields"),
    Action("form.section_up", "pageup", "move_section(-1)", "Section above",
           "Go to the section above", "form_fields"),
    Action("form.section_down", "pagedown", "move_section(1)", "Section below",
           "Go to the section below", "form_fields"),
    Action("field.lower", "left", "step(-1)", "Lower value",
           "Change to the next lower suggested value", "field_row"),
    Action("field.higher", "right", "step(1)", "Higher value",
           "Change to the next higher suggested value", "field_row"),
    Action("field.new_line", "shift+enter,ctrl+j", "new_line", "New line",
           "Go on in a second line, in a field that holds several", "field_row"),
    Action("field.complete", "tab", "complete", "Complete",
           "Take the completion that is shown; without one, go on", "text_input"),
    Action("field.edit", "f11,ctrl+e", "edit_text", "Editor",
           "Edit an instruction in $EDITOR; elsewhere: go to the end of the line", "text_input"),
    Action("lines.edit", "f11,ctrl+e", "edit_text", "Editor",
           "Edit this text in $EDITOR", "lines_input"),
    Action("field.choices", "enter,space", "show_overlay", "Choose",
           "Show the list of values", "field_select"),

    # Dialogs
    Action("save.close", "escape", "dismiss", "Close", "Close without saving", "save_dialog"),
    Action("stop.close", "escape", "dismiss", "Close", "Close; the run continues", "stop_dialog"),
    Action("stop.checkpoint", "c", "choose('stop.checkpoint')", "After the next checkpoint",
           "Stop after the next checkpoint", "stop_dialog"),
    Action("stop.now", "n", "choose('stop.now')", "Now",
           "Stop now", "stop_dialog"),
    Action("retry.close", "escape", "dismiss", "Close", "Close; no run is started", "retry_dialog"),
    Action("run_dialog.close", "escape", "close", "Close", "Close without a change", "run_dialog"),
    Action("try_out.close", "escape", "stop_or_close", "Close",
           "Stop the answer, or close", "try_out"),
    Action("compare.close", "escape", "dismiss", "Back",
           "Close the comparison", "compare", footer=True),
    Action("compare.log_scale", "l", "log_scale", "Log scale",
           "Show the curves on a logarithmic scale, or a linear one", "compare", footer=True),
    Action("filter.keep", "enter", "submit", "Keep", "Keep the filter", "filter_input"),
    Action("filter.clear", "escape", "clear", "Clear", "Remove the filter", "filter_input"),
    Action("crash.close", "escape", "dismiss", "Close", "Close this message", "crash_dialog"),
    Action("crash.copy", "c", "copy", "Copy traceback", "Copy the traceback", "crash_dialog"),
    Action("help.close", "escape,f1", "dismiss", "Close", "Close the help", "help"),
    Action("help.down", "down", "move(1)", "Down", "Highlight the action below", "help"),
    Action("help.up", "up", "move(-1)", "Up", "Highlight the action above", "help"),
    Action("xray.close", "escape", "dismiss", "Close", "Close the X-ray", "xray"),
    Action("pages.previous", "left,p", "turn(-1)", "Previous", "Show the row before", "pages",
           footer=True),
    Action("pages.next", "right,n", "turn(1)", "Next", "Show the row after", "pages", footer=True),
    Action("pages.zoom", "z", "zoom", "Zoom", "Show the page two or four times as wide", "pages",
           footer=True),
    Action("pages.close", "escape", "dismiss", "Close", "Close the pages", "pages", footer=True),
    Action("settings.close", "escape,f12", "dismiss", "Close", "Close the settings", "settings"),
    Action("settings.up", "up", "move(-1)", "Setting above", "Go to the setting above",
           "settings"),
    Action("settings.down", "down", "move(1)", "Setting below", "Go to the setting below",
           "settings"),
    Action("jump.close", "escape", "dismiss", "Close", "Stay where you are", "jump"),
)
# fmt: on

ACTIONS_BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}
_KEY_NAMES = {
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
}
_MODIFIER_NAMES = {"ctrl": "^", "shift": "Shift+", "alt": "Alt+"}


_ASCII_KEY_NAMES = {"left": "Left", "right": "Right", "up": "Up", "down": "Down"}


def bindings(place: Place) -> list[BindingType]:
    """Return the bindings of a place, in the order of the table."""
    return [
        Binding(
            action.keys,
            action.method,
            action.label,
            show=action.footer,
            tooltip=action.help,
            id=action.id,
        )
        for action in ACTIONS
        if action.place == place
    ]


def key_of(action_id: str, *, while_typing: bool = False) -> str:
    """Return the first key of an action as it is displayed, in the keymap of the running app.

    With `while_typing`, the first key that also works while a text field has the focus: one that
    types no character.
    """
    keys = keys_in_force(ACTIONS_BY_ID[action_id]).split(",")
    free = [key for key in keys if not types_character(key_to_character(key))]
    return display_key(free[0] if while_typing and free else keys[0])


def keys_in_force(action: Action) -> str:
    """Return the keys of an action: those of the running app's keymap, else the declared ones."""
    app = active_app.get(None)
    return app.keymap.get(action.id, action.keys) if isinstance(app, HasKeymap) else action.keys


def types_character(character: str | None) -> bool:
    """Return whether a key with this character types it into a text field."""
    return character is not None and character.isprintable()


def display_key(key: str) -> str:
    """Return Textual's name of a key as keyboards label it: `F5`, `Esc`, `^t`, `←`."""
    *modifiers, name = key.split("+")
    is_function_key = name[0] == "f" and name[1:].isdecimal()
    app = active_app.get(None)
    names = _KEY_NAMES
    if isinstance(app, HasKeymap) and app.is_ascii:
        names = _KEY_NAMES | _ASCII_KEY_NAMES
    label = name.upper() if is_function_key else names.get(name, format_key(name))
    return "".join(_MODIFIER_NAMES.get(each, f"{each}+") for each in modifiers) + label
