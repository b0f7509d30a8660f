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
from typing import Literal

from textual.binding import Binding, BindingType
from textual.keys import format_key

Place = Literal[
    "app",
    "form",
    "training",
    "dataset",
    "monitor",
    "runs",
    "fit_panel",
    "run_table",
    "field_row",
    "field_select",
    "save_dialog",
    "stop_dialog",
    "retry_dialog",
    "crash_dialog",
    "help",
    "xray",
]

CLASSES: Mapping[Place, str] = {
    "app": "deepsynth_tui.tui.app:DeepsynthApp",
    "form": "deepsynth_tui.tui.screens.form_screen:FormScreen",
    "training": "deepsynth_tui.tui.screens.training:TrainingScreen",
    "dataset": "deepsynth_tui.tui.screens.dataset:DatasetScreen",
    "monitor": "deepsynth_tui.tui.screens.monitor:MonitorScreen",
    "runs": "deepsynth_tui.tui.screens.runs:RunsScreen",
    "fit_panel": "deepsynth_tui.tui.fit.panel:FitPanel",
    "run_table": "deepsynth_tui.tui.widgets.run_table:RunTable",
    "field_row": "deepsynth_tui.tui.widgets.field_row:FieldRow",
    "field_select": "deepsynth_tui.tui.widgets.field_row:FieldSelect",
    "save_dialog": "deepsynth_tui.tui.screens.save:SaveDialog",
    "stop_dialog": "deepsynth_tui.tui.screens.stop:StopDialog",
    "retry_dialog": "deepsynth_tui.tui.screens.retry:RetryDialog",
    "crash_dialog": "deepsynth_tui.tui.screens.crash:CrashDialog",
    "help": "deepsynth_tui.tui.screens.help:HelpScreen",
    "xray": "deepsynth_tui.tui.screens.xray:XrayScreen",
}
"""The class that has the bindings and the `action_` methods of a place, as `module:class`."""


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
    # The mode bar shows the keys of the three modes, so the footer does not.
    Action("app.dataset", "f2", "go('dataset')", "Dataset",
           "Make a dataset from documents", "app"),
    Action("app.training", "f3", "go('training')", "Training",
           "Set up a training run", "app"),
    Action("app.runs", "f4", "go('runs')", "Runs",
           "List running and finished runs", "app"),
    Action("app.help", "f1,question_mark", "help", "Help",
           "Show the keys and explain the focused field", "app", footer=True),
    Action("app.palette", "f9,ctrl+p", "command_palette", "Palette",
           "Search all actions and presets", "app", footer=True),
    Action("app.theme", "f12", "switch_theme", "Light or dark",
           "Switch between the light and the dark theme", "app"),
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
    Action("form.reset_section", "f8", "reset_section", "Reset section",
           "Reset all fields of this section to the preset", "form", footer=True),

    Action("fit.panel", "escape", "visit_panel", "Will it fit?",
           "Go to the memory panel and back", "training"),
    Action("fit.simulate", "s,ctrl+t", "simulate", "Simulate",
           "Simulate one training step for a more accurate estimate", "training"),
    Action("fit.apply", "a,ctrl+y", "apply", "Make it fit",
           "Apply the change that the memory panel suggests", "training"),
    Action("fit.xray", "x,ctrl+r", "xray", "X-ray",
           "Show the first batch as the model gets it, token by token", "training"),

    Action("source.propose", "a,ctrl+y", "use_proposal", "Use columns",
           "Use the columns that the panel suggests", "dataset"),

    Action("monitor.stop", "s", "stop", "Stop",
           "Stop the run, now or after a checkpoint", "monitor", footer=True),
    Action("monitor.follow", "f,end", "follow", "Follow",
           "Follow the newest line of the log", "monitor", footer=True),
    Action("monitor.copy", "c", "copy_log", "Copy",
           "Copy the last lines of the log", "monitor", footer=True),
    Action("monitor.samples", "v", "samples", "Samples",
           "Show samples instead of the log", "monitor", footer=True),
    Action("monitor.retry", "r", "retry", "Retry",
           "Start a new run with the change that the error suggests", "monitor", footer=True),
    Action("monitor.train", "t", "train", "Train",
           "Train on this dataset", "monitor", footer=True),
    Action("monitor.next", "n", "next_run", "Next",
           "Show the run that waits for this run", "monitor", footer=True),
    Action("monitor.back", "escape", "back", "Back",
           "Close this view; the run continues", "monitor", footer=True),

    Action("runs.open", "enter", "open", "Open",
           "Show this run", "runs", footer=True),
    Action("runs.stop", "s", "stop", "Stop",
           "Stop this run, now or after a checkpoint", "runs", footer=True),
    Action("runs.clone", "c", "clone", "Clone",
           "Set up a new run with the settings of this run", "runs", footer=True),

    # Widgets: these keys apply while the widget has the focus.
    Action("fit.rank_down", "left", "rank(-1)", "Lower rank",
           "Change to the next lower LoRA rank", "fit_panel"),
    Action("fit.rank_up", "right", "rank(1)", "Higher rank",
           "Change to the next higher LoRA rank", "fit_panel"),
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
    Action("field.lower", "left", "step(-1)", "Lower value",
           "Change to the next lower suggested value", "field_row"),
    Action("field.higher", "right", "step(1)", "Higher value",
           "Change to the next higher suggested value", "field_row"),
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
    Action("crash.close", "escape", "dismiss", "Close", "Close this message", "crash_dialog"),
    Action("crash.copy", "c", "copy", "Copy traceback", "Copy the traceback", "crash_dialog"),
    Action("help.close", "escape,f1", "dismiss", "Close", "Close the help", "help"),
    Action("help.down", "down", "move(1)", "Down", "Highlight the action below", "help"),
    Action("help.up", "up", "move(-1)", "Up", "Highlight the action above", "help"),
    Action("xray.close", "escape", "dismiss", "Close", "Close the X-ray", "xray"),
)
# fmt: on

_ACTIONS_BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}
_KEY_NAMES = {
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
}


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
    """Return the first key of an action as it is displayed.

    With `while_typing`, the first key that also works while a text field has the focus: one that
    types no character.
    """
    keys = _ACTIONS_BY_ID[action_id].keys.split(",")
    return display_key(next(key for key in keys if not while_typing or len(key) > 1))


def types_character(character: str | None) -> bool:
    """Return whether a key with this character types it into a text field."""
    return character is not None and character.isprintable()


def display_key(key: str) -> str:
    """Return Textual's name of a key as keyboards label it: `F5`, `Esc`, `^t`, `←`."""
    *modifiers, name = key.split("+")
    is_function_key = name[0] == "f" and name[1:].isdecimal()
    label = name.upper() if is_function_key else _KEY_NAMES.get(name, format_key(name))
    return "".join("^" if modifier == "ctrl" else f"{modifier}+" for modifier in modifiers) + label
