"""The application: four modes, and the methods of `AppApi` that their screens use."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.app import SystemCommand
from textual.driver import Driver
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widget import Widget

from deepsynth_tui.tui import palette
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import Mode
from deepsynth_tui.tui.background import READERS
from deepsynth_tui.tui.configured_app import ConfiguredApp
from deepsynth_tui.tui.key_order import KeyOrder, TypedEvent
from deepsynth_tui.tui.shared_styles import SharedStylesheet
from deepsynth_tui.tui.terminal import TerminalWatcher
from deepsynth_tui.tui.terminal_console import TerminalConsole
from deepsynth_tui.tui.widgets.mode_bar import ModeBar

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind
    from deepsynth_tui.runs.directory import RunDirectory
    from deepsynth_tui.runs.live_runs import LiveRuns
    from deepsynth_tui.tui.run_view.live_run import LiveRun
    from deepsynth_tui.tui.screens.form_screen import FormScreen

MINIMUM_SIZE = (60, 16)
"""Columns and lines of the smallest terminal in which the screens can be read."""
STARTUP_SECONDS = 1.0
"""Time after which start-up is over."""
LIVE_RUN_SECONDS = 2.0
"""Time between two looks at the live runs, for the mode bar."""


def _dataset_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.dataset import DatasetScreen

    return DatasetScreen()


def _training_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.training import TrainingScreen

    return TrainingScreen()


def _runs_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.runs import RunsScreen

    return RunsScreen()


def _adapters_screen() -> Screen[None]:
    from deepsynth_tui.tui.screens.adapters import AdaptersScreen

    return AdaptersScreen()


def _enable_garbage_collection() -> None:
    """Turn garbage collection on again; it never scans the objects of start-up."""
    gc.freeze()
    gc.enable()


class DeepsynthApp(ConfiguredApp[None], inherit_bindings=False):
    """The terminal interface.

    Args:
        home: The folder of runs and drafts.
        mode: The mode that is shown first.
        open_run: A run whose monitor is shown at once.
        settings_file: The settings of the interface, None for defaults that are not kept.
    """

    TITLE = "DeepSynth"
    MODES = {
        "dataset": _dataset_screen,
        "training": _training_screen,
        "runs": _runs_screen,
        "adapters": _adapters_screen,
    }
    BINDINGS = bindings("app")
    CSS = """
    ToastRack { margin-bottom: 4; }  /* above the start bar and the help of a form */
    /* Textual draws a frame around a button in the terminal's own colours, for which there is no
       room in one line, and a header of its own colour. */
    Button:ansi.-style-default {
        border: none !important;
        background: $block-cursor-background !important;
        color: $block-cursor-foreground;
        text-style: $block-cursor-text-style;
        &:focus { text-style: bold underline reverse; }
        &:disabled {
            background: ansi_default !important;
            color: ansi_default;
            text-style: dim;
        }
    }
    SearchIcon { display: none; }  /* an emoji, whose width terminals do not agree on */
    RunTable:ansi, ListTable:ansi { & > .datatable--header { background: ansi_default; } }
    """

    @dataclass
    class LiveRunChanged(Message):
        """The mode bars have to show another run, or other figures of it."""

        live_run: LiveRun | None

    def __init__(
        self,
        home: Path,
        *,
        mode: Mode = "training",
        open_run: RunDirectory | None = None,
        settings_file: Path | None = None,
    ) -> None:
        # Read by App.__init__, so that no screen of another mode is made first.
        self.DEFAULT_MODE = mode  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(settings_file)
        self.stylesheet = SharedStylesheet(variables=self.get_css_variables())
        self.home = home
        self._run_to_open = open_run
        self._live_run: LiveRun | None = None
        self._end_watching = threading.Event()
        self._terminal = TerminalWatcher(leave=self.leave_at_once, save=self.save_drafts)
        self.key_order = KeyOrder(self, super().on_event)
        self.error_console = TerminalConsole(markup=False, highlight=False, stderr=True)
        self.animation_level = "none"

    def get_driver_class(self) -> type[Driver]:
        """Return the driver of the terminal, which does not pause at the end, or of a browser."""
        driver = super().get_driver_class()
        if driver.__name__ != "LinuxDriver":  # not on Windows, where its module is missing
            return driver
        from deepsynth_tui.tui.terminal_driver import TerminalDriver

        return TerminalDriver

    def on_mount(self) -> None:
        self.set_timer(STARTUP_SECONDS, _enable_garbage_collection)
        self.set_timer(STARTUP_SECONDS, self._watch_live_run)
        if not (self.is_headless or self.is_web):
            self._terminal.start()
        if self._run_to_open is not None:
            self.open_run(self._run_to_open)

    def on_resize(self, event: events.Resize) -> None:
        """Show one line instead of the screens while the terminal is too small for them."""
        from deepsynth_tui.tui.screens.too_small import TooSmall

        fits = event.size.width >= MINIMUM_SIZE[0] and event.size.height >= MINIMUM_SIZE[1]
        if fits and isinstance(self.screen, TooSmall):
            self.pop_screen()
        elif not fits and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall(MINIMUM_SIZE, self.live_runs.look()))

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; of keys and pastes, one at a time."""
        if isinstance(event, TypedEvent) and not event.is_forwarded:
            await self.key_order.handle(event)
        else:
            await super().on_event(event)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a notification. Its text is never markup, which could hold a link to an action."""
        timeout = timeout or self.notification_seconds
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    # AppApi

    def open_run(self, run: RunDirectory) -> None:
        """Show the monitor of `run` on top of the list of runs."""
        self.call_later(self._open_run, run)

    def use_dataset(self, path: str) -> None:
        """Show the Training screen with `data.path` set to `path`."""
        self.call_later(self._fill_form, "training", {"data": {"path": path}})

    def use_config(self, values: Mapping[str, Any], kind: RunKind) -> None:
        """Show the form of `kind`, filled with `values`."""
        self.call_later(self._replace_form, kind, values)

    def report_error(self, error: BaseException) -> None:
        """Show an unexpected error with its traceback and keep running."""
        from deepsynth_tui.tui.screens.crash import CrashDialog, save_traceback

        self.push_screen(CrashDialog(error, save_traceback(self.home, error)))

    async def _open_run(self, run: RunDirectory) -> None:
        from deepsynth_tui.tui.screens.monitor import MonitorScreen

        await self.switch_mode("runs")
        await self.push_screen(MonitorScreen(run))

    async def _fill_form(self, kind: RunKind, values: Mapping[str, Any]) -> None:
        (await self._show_form(kind)).fill(values)

    async def _replace_form(self, kind: RunKind, values: Mapping[str, Any]) -> None:
        (await self._show_form(kind)).replace(values)

    async def _show_form(self, kind: RunKind) -> FormScreen:
        from deepsynth_tui.tui.screens.form_screen import FormScreen

        await self.switch_mode(kind)
        screen = self.screen_stack[0]
        if not isinstance(screen, FormScreen):
            raise TypeError(f"the first screen of the mode {kind} is {screen!r}, not a form")
        return screen

    # Actions

    async def action_go(self, mode: Mode) -> None:
        """Show a mode, with its screens as they were."""
        await self.switch_mode(mode)

    def action_help(self) -> None:
        """Show the keys that apply now, and explain the focused field."""
        from deepsynth_tui.tui.screens.form_screen import FormScreen
        from deepsynth_tui.tui.screens.help import HelpScreen

        below = self.screen
        field_help = below.focused_field_help if isinstance(below, FormScreen) else ""
        self.push_screen(HelpScreen(below, field_help))

    def action_command_palette(self) -> None:
        """Show the command palette."""
        if not isinstance(self.screen, palette.CalmCommandPalette):
            self.push_screen(palette.CalmCommandPalette())

    def action_settings(self) -> None:
        """Show the settings of the interface."""
        from deepsynth_tui.tui.screens.settings import SettingsScreen

        self.push_screen(SettingsScreen())

    def action_jump(self) -> None:
        """Show a letter at everything that takes the focus."""
        from deepsynth_tui.tui.screens.jump import JumpScreen, visible_targets

        below = self.screen

        def go_to(widget: Widget | None) -> None:
            if widget is not None:
                below.set_focus(widget)

        if targets := visible_targets(below):
            self.push_screen(JumpScreen(targets), go_to)

    async def action_quit(self) -> None:
        """Quit. Runs continue; a message in the terminal says how to watch them."""
        self._end_readers()
        self.exit(message=self.farewell())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return the actions that apply on `screen`."""
        return palette.commands(screen)

    # The live run in the mode bars

    @work(thread=True, exit_on_error=False, group="live run")
    def _watch_live_run(self) -> None:
        from deepsynth_tui.tui.run_view.live_run import LiveRunReader

        reader, shown = LiveRunReader(self.live_runs), None
        while not self._end_watching.is_set():
            live_run = reader.poll()
            if live_run != shown and not self._end_watching.is_set():
                shown = live_run
                self.post_message(self.LiveRunChanged(live_run))
            self._end_watching.wait(LIVE_RUN_SECONDS)

    @on(LiveRunChanged)
    def _show_live_run(self, event: LiveRunChanged) -> None:
        self._live_run = event.live_run
        for stack in self._screen_stacks.values():
            for screen in stack:
                for bar in screen.query(ModeBar):
                    bar.live = event.live_run

    @on(ModeBar.Mounted)
    def _fill_mode_bar(self, event: ModeBar.Mounted) -> None:
        event.bar.live = self._live_run

    # Quitting

    def save_drafts(self) -> None:
        """Save the drafts of all forms, for an exit that closes no screen."""
        from deepsynth_tui.tui.screens.form_screen import FormScreen

        for stack in self._screen_stacks.values():
            for screen in stack:
                if isinstance(screen, FormScreen):
                    screen.save_draft()

    def leave_at_once(self) -> None:
        """Quit because of a signal (SIGTERM, SIGHUP), and restore the terminal."""
        self._end_readers()
        self.exit(return_code=1)

    def _end_readers(self) -> None:
        """End the threads that only read. Quitting would wait for the interpreter's lock with each
        file that it looks at, while one of them goes through a thousand runs."""
        self._end_watching.set()
        for worker in self.workers:
            if worker.group == READERS:
                worker.cancel()

    def on_unmount(self) -> None:
        """Do not wait for an answer that nobody will see."""
        from deepsynth_tui.child_process import kill_children

        self._end_watching.set()
        kill_children()

    @cached_property
    def live_runs(self) -> LiveRuns:
        """The runs that have a process. May be used in any thread."""
        from deepsynth_tui.runs.live_runs import LiveRuns

        return LiveRuns(self.home)

    def farewell(self) -> str | None:
        """Return a message about the live runs, None where there are none."""
        live = self.live_runs.look()
        if not live:
            return None
        runs = f"{live[0].name} continues" if len(live) == 1 else f"{len(live)} runs continue"
        return f"{runs}. To watch: deepsynth-tui attach {live[0].id}"


def run_app(home: Path, open_run: RunDirectory | None = None, mode: Mode | None = None) -> int:
    """Run the interface until the user quits, and return the exit status.

    Without `mode`, the Dataset screen is shown first where there are no runs, else the Training
    screen.
    """
    from deepsynth_tui.config.locations import interface_file

    if mode is None:
        mode = "training" if any((home / "runs").glob("*")) else "dataset"
    app = DeepsynthApp(
        home,
        mode="runs" if open_run else mode,
        open_run=open_run,
        settings_file=interface_file(),
    )
    app.run(mouse=app.takes_mouse)
    return app.return_code or 0


def run_served_app() -> None:
    """Run the interface in a browser, as a process of `deepsynth-tui serve`, and end with it."""
    from deepsynth_tui.child_process import exit_with_parent
    from deepsynth_tui.config.locations import home

    exit_with_parent()
    sys.exit(run_app(home()))
