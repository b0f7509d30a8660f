"""Every action of the interface, once. Bindings, footer, palette and help are read off this table.

Keys keep clear of what terminals and multiplexers take: no action has a `ctrl+` chord as its only
key, and every one stands in the palette.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding

Place = Literal["app", "form", "fit", "fit_panel", "source", "monitor", "runs"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do. `id` names it in a keymap, `method` is its `action_` method."""

    id: str
    keys: str
    method: str
    label: str
    help: str
    place: Place
    footer: bool = True


ACTIONS: tuple[Action, ...] = (
    # The three modes stand with their keys in the first line of the screen, not in the footer.
    Action(
        "app.dataset", "f2", "go('dataset')", "Dataset", "Make a dataset of documents", "app", False
    ),
    Action(
        "app.training", "f3", "go('training')", "Training", "Set up a training run", "app", False
    ),
    Action("app.runs", "f4", "go('runs')", "Runs", "All runs, running and ended", "app", False),
    Action("app.help", "f1,question_mark", "help", "Help", "Keys and the focused field", "app"),
    Action(
        "app.palette",
        "f9,ctrl+p",
        "command_palette",
        "Palette",
        "Search every action",
        "app",
    ),
    Action("app.theme", "f12", "switch_theme", "Light or dark", "The other theme", "app", False),
    Action("app.quit", "f10,ctrl+q", "quit", "Quit", "Leave; runs go on", "app"),
    Action("form.start", "f5", "start", "Start", "Start the run with these settings", "form"),
    Action("form.save", "f6", "save", "Save", "Save these settings as YAML", "form"),
    Action("form.reset", "f7", "reset_field", "Reset", "This field back to the preset", "form"),
    Action(
        "form.reset_section",
        "f8",
        "reset_section",
        "Reset section",
        "Every field of this section back to the preset",
        "form",
    ),
    Action(
        "fit.panel",
        "escape",
        "visit_panel",
        "Will it fit?",
        "To the memory panel and back",
        "fit",
        False,
    ),
    Action(
        "fit.simulate",
        "s,ctrl+t",
        "simulate",
        "Simulate",
        "One training step without weights, for a surer figure",
        "fit",
        False,
    ),
    Action(
        "fit.apply",
        "a,ctrl+y",
        "apply",
        "Make it fit",
        "Make the change that the memory panel names",
        "fit",
        False,
    ),
    Action(
        "fit.xray",
        "x,ctrl+r",
        "xray",
        "X-ray",
        "The first batch as the model gets it, token by token",
        "fit",
        False,
    ),
    Action(
        "source.propose",
        "a,ctrl+y",
        "propose",
        "Take the columns",
        "Use the columns that the panel proposes",
        "source",
        False,
    ),
    # These belong to arrows, and so to the panel alone while it has the focus.
    Action("fit.rank_down", "left", "rank(-1)", "Lower rank", "The next rank", "fit_panel", False),
    Action("fit.rank_up", "right", "rank(1)", "Higher rank", "The next rank", "fit_panel", False),
    Action(
        "fit.gpu_down", "down", "gpu(1)", "Next GPU", "Look at the GPU below", "fit_panel", False
    ),
    Action(
        "fit.gpu_up", "up", "gpu(-1)", "GPU before", "Look at the GPU above", "fit_panel", False
    ),
    Action(
        "monitor.stop", "s", "stop", "Stop", "Stop the run, now or after a checkpoint", "monitor"
    ),
    Action("monitor.follow", "f,end", "follow", "Follow", "Show the newest log line", "monitor"),
    Action("monitor.copy", "c", "copy_log", "Copy", "Copy the log's last lines", "monitor"),
    Action(
        "monitor.samples", "v", "samples", "Samples", "Samples in the place of the log", "monitor"
    ),
    Action(
        "monitor.retry",
        "r",
        "retry",
        "Retry",
        "Make the change that the error names, and go on in a new run",
        "monitor",
    ),
    Action("monitor.train", "t", "train", "Train", "Train on this dataset", "monitor"),
    Action("monitor.next", "n", "next_run", "Next", "The run that waits for this one", "monitor"),
    Action("monitor.back", "escape", "back", "Back", "Close this view; the run goes on", "monitor"),
    Action("runs.open", "enter", "open", "Open", "Watch this run", "runs"),
    Action("runs.stop", "s", "stop", "Stop", "Stop this run", "runs"),
    Action("runs.clone", "c", "clone", "Settings", "Use this run's settings for a new one", "runs"),
)


def bindings(place: Place) -> list[Binding]:
    """Return the bindings of one place, in the order of the table."""
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
