"""An unexpected error: what it is, where its trace lies, and a way to copy it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from deepsynth_tui.tui.actions import bindings


def save_trace(home: Path, error: BaseException) -> Path:
    """Write the trace of `error` among the logs of `home` and return the file."""
    folder = home / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{type(error).__name__}.txt"
    file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return file


class CrashDialog(ModalScreen[None]):
    """Shows an error that nobody expected; the application goes on."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("crash_dialog")

    def __init__(self, error: BaseException, trace: Path) -> None:
        super().__init__()
        self._error = error
        self._trace = trace

    def compose(self) -> ComposeResult:
        with Container(classes="dialog wide"):
            yield Static("Something went wrong here", classes="dialog-title")
            yield Static(
                f"{type(self._error).__name__}: {self._error}\n\n"
                f"Runs are not touched by it. The trace lies in {self._trace}",
                markup=False,
            )
            with VerticalScroll():
                yield Static(self._trace.read_text(encoding="utf-8"), markup=False, id="trace")
            with Container(classes="buttons"):
                yield Button("Close", id="close", compact=True, variant="primary")
                yield Button("Copy the trace", id="copy", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "copy":
            self.action_copy()
        else:
            self.dismiss()

    def action_copy(self) -> None:
        """Put the trace on the clipboard of the terminal (OSC 52)."""
        self.app.copy_to_clipboard(self._trace.read_text(encoding="utf-8"))
        self.notify(f"Copied. It also lies in {self._trace}", markup=False)
