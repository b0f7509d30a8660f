"""The dialog that saves settings as a YAML file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Button, Input, Static

from deepsynth_tui.runs import atomic
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.calm_screen import CalmModalScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors


class SaveDialog(ReportsWorkerErrors, CalmModalScreen[None]):
    """Asks for a path and writes the file atomically.

    An existing file is overwritten only when Save is chosen a second time.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("save_dialog")

    def __init__(self, suggested: Path, make_text: Callable[[], str]) -> None:
        """`make_text` returns the contents of the file; it is called in a thread."""
        super().__init__()
        self._suggested = suggested
        self._make_text = make_text
        self._confirmed: Path | None = None

    @property
    def takes_keys(self) -> bool:
        return not self.has_running_workers

    def compose(self) -> ComposeResult:
        with Container(classes="dialog"):
            yield Static("Save these settings as YAML", classes="dialog-title")
            yield Input(str(self._suggested), compact=True, select_on_focus=False)
            yield Static(f"Folder: {Path.cwd()}", id="message", markup=False)
            with Container(classes="buttons"):
                yield Button("Save", id="save", compact=True, variant="primary")
                yield Button("Close", id="close", compact=True)

    @on(Input.Submitted)
    @on(Button.Pressed, "#save")
    def _save_or_confirm(self) -> None:
        path = Path(self.query_one(Input).value.strip()).expanduser()
        if path.exists() and path != self._confirmed:
            self._confirmed = path
            self._show_message(f"{path} exists. Save again to overwrite it, or change the name.")
        else:
            self._write(path)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss()

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _write(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.replace(path, self._make_text().encode())
        except OSError as error:
            message = f"Cannot write {path}: {error.strerror}. Choose another path."
            self.app.call_from_thread(self._show_message, message)
        else:
            self.app.call_from_thread(self._close_saved, path)

    def _show_message(self, text: str) -> None:
        self.query_one("#message", Static).update(text)

    def _close_saved(self, path: Path) -> None:
        self.notify(f"{path.absolute()}", title="Saved", markup=False)
        self.dismiss()
