"""The application: three modes, and what their screens may ask of it (`shell.Shell`)."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.tui import palette
from deepsynth_tui.tui.actions import bindings, display_key
from deepsynth_tui.tui.app_protocol import Mode
from deepsynth_tui.tui.terminal import Terminal
from deepsynth_tui.tui.themes import DARK, LIGHT, THEMES

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory
    from deepsynth_tui.runs.summary import RunSummary
    from deepsynth_tui.tui.screens.form_screen import FormScreen

SMALLEST = (60, 16)
START_UP = 1.0
"""Seconds after which start-up is over."""


def _dataset_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.dataset import DatasetScreen

    return DatasetScreen()


def _training_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.training import TrainingScreen

    return TrainingScreen()


def _runs_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.runs import RunsScreen

    return RunsScreen()


def _collect_again() -> None:
    """Let garbage be collected, but never look again at what start-up made."""
    gc.freeze()
    gc.enable()


class DeepsynthApp(App[None], inherit_bindings=False):
    """The terminal interface. `home` holds runs and drafts; `open_run` is shown at once."""

    TITLE = "DeepSynth"
    MODES = {"dataset": _dataset_screen, "training": _training_screen, "runs": _runs_screen}
    BINDINGS = bindings("app")

    def __init__(
        self, home: Path, *, mode: Mode = "training", open_run: RunDirectory | None = None
    ) -> None:
        # Read by App.__init__: the first screen that is made is the one asked for.
        self.DEFAULT_MODE = mode  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__()
        self.home = home
        self._first_run = open_run
        self._terminal = Terminal(leave=self.leave_at_once, save=self.keep_drafts)
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        if self.theme not in {theme.name for theme in THEMES}:
            self.theme = DARK.name

    def on_mount(self) -> None:
        self.set_timer(START_UP, _collect_again)
        if not self.is_headless:
            self._terminal.watch()
        if self._first_run is not None:
            self.open_run(self._first_run)

    def on_resize(self, event: events.Resize) -> None:
        """Below the smallest size show one line instead of screens that cannot be read."""
        from deepsynth_tui.tui.screens.too_small import TooSmall

        fits = event.size.width >= SMALLEST[0] and event.size.height >= SMALLEST[1]
        if fits and isinstance(self.screen, TooSmall):
            self.pop_screen()
        elif not fits and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall(SMALLEST, self.live_runs()))

    # What screens may ask (Shell)

    def open_run(self, run: RunDirectory) -> None:
        """Show the monitor of `run`, above the list of runs."""
        self.call_later(self._open, run)

    def use_dataset(self, path: str) -> None:
        """Go to the Training screen with `data.path` filled."""
        self.call_later(self._fill, "training", {"data": {"path": path}})

    def use_config(self, values: Mapping[str, Any], kind: RunKind) -> None:
        """Go to the form of that kind, filled with `values`."""
        self.call_later(self._replace, kind, values)

    def report_error(self, error: BaseException) -> None:
        """Show an unexpected error, with its trace, and stay up."""
        from deepsynth_tui.tui.screens.crash import CrashDialog, save_trace

        self.push_screen(CrashDialog(error, save_trace(self.home, error)))

    async def _open(self, run: RunDirectory) -> None:
        from deepsynth_tui.tui.screens.monitor import MonitorScreen

        await self.switch_mode("runs")
        await self.push_screen(MonitorScreen(run))

    async def _fill(self, kind: RunKind, values: Mapping[str, Any]) -> None:
        (await self._form(kind)).fill(values)

    async def _replace(self, kind: RunKind, values: Mapping[str, Any]) -> None:
        (await self._form(kind)).replace(values)

    async def _form(self, kind: RunKind) -> FormScreen:
        from deepsynth_tui.tui.screens.form_screen import FormScreen

        await self.switch_mode(kind)
        screen = self.screen_stack[0]
        if not isinstance(screen, FormScreen):
            raise TypeError(f"the mode {kind} begins with {screen!r}")
        return screen

    # Actions

    async def action_go(self, mode: Mode) -> None:
        """Show a mode as it was left."""
        await self.switch_mode(mode)

    def action_help(self) -> None:
        """Show the keys that apply now, and what the focused field means."""
        from deepsynth_tui.tui.screens.form_screen import FormScreen
        from deepsynth_tui.tui.screens.help import HelpScreen

        below = self.screen
        about = below.about_focus if isinstance(below, FormScreen) else ""
        self.push_screen(HelpScreen(below, about))

    def action_switch_theme(self) -> None:
        """Change between the dark and the light theme."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    async def action_quit(self) -> None:
        """Leave. Runs go on; the terminal says so, and how to see them again."""
        self.exit(message=self.farewell())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer the actions of the table that apply on `screen`."""
        return palette.commands(screen)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Name the variables that our styles use and that other people's themes do not have."""
        return {"muted": "#8c95a6"}

    def get_key_display(self, binding: Binding) -> str:
        """Return a key as keyboards label it, the same in the footer, the help and in texts."""
        return display_key(binding.key)

    # Leaving

    def keep_drafts(self) -> None:
        """Save what stands in the forms, for an end in which no screen is closed."""
        from deepsynth_tui.tui.screens.form_screen import FormScreen

        for stack in self._screen_stacks.values():
            for screen in stack:
                if isinstance(screen, FormScreen):
                    screen.keep_draft()

    def leave_at_once(self) -> None:
        """Leave because the system asks (SIGTERM, SIGHUP), with the terminal restored."""
        self.exit(return_code=1)

    def live_runs(self) -> list[RunSummary]:
        """Runs that have a process, newest first."""
        from deepsynth_tui.runs.summary import list_summaries

        return [run for run in list_summaries(self.home) if run.is_live]

    def farewell(self) -> str | None:
        live = self.live_runs()
        if not live:
            return None
        goes = f"{live[0].name} goes on" if len(live) == 1 else f"{len(live)} runs go on"
        return f"{goes}. To watch again: deepsynth-tui attach {live[0].id}"


def run_app(home: Path, open_run: RunDirectory | None = None, mode: Mode | None = None) -> int:
    """Run the interface until the person leaves; returns the exit status.

    Without `mode`, a machine without runs begins at the documents, any other at the training.
    """
    if mode is None:
        mode = "training" if any((home / "runs").glob("*")) else "dataset"
    app = DeepsynthApp(home, mode="runs" if open_run else mode, open_run=open_run)
    app.run()
    return app.return_code or 0
