"""The dialog for an unexpected error: the error, its traceback, and a way to copy it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widgets import Button, Static

from deepsynth_tui.runs.private_folder import make_private
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.calm_screen import CalmModalScreen


def save_traceback(home: Path, error: BaseException) -> Path:
    """Write the traceback of `error` to the `crashes` folder of `home` and return the file."""
    folder = home / "crashes"
    make_private(folder)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{type(error).__name__}.txt"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return path


class CrashDialog(CalmModalScreen[None]):
    """Shows an unexpected error; the application keeps running."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("crash_dialog")

    def __init__(self, error: BaseException, traceback_path: Path) -> None:
        super().__init__()
        self._error = error
        self._path = traceback_path
        self._traceback = traceback_path.read_text(encoding="utf-8")

    def compose(self) -> ComposeResult:
        with Container(classes="dialog -wide -warning"):
            yield Static("Unexpected error", classes="dialog-title")
            yield Static(
                f"{type(self._error).__name__}: {self._error}\n\n"
                f"Runs are not affected. The traceback is saved in {self._path}",
                markup=False,
            )
            with VerticalScroll():
                yield Static(self._traceback, markup=False, id="traceback")
            with Container(classes="buttons"):
                yield Button("Close", id="close", compact=True, variant="primary")
                yield Button("Copy traceback", id="copy", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "copy":
            self.action_copy()
        else:
            self.dismiss()

    def action_copy(self) -> None:
        """Copy the traceback to the clipboard of the terminal (OSC 52)."""
        self.app.copy_to_clipboard(self._traceback)
        self.notify(f"It is also in {self._path}", title="Traceback copied", markup=False)
