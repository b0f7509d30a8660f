"""Ask for a path, and save settings there as YAML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static
from textual.worker import Worker, WorkerState

from deepsynth_tui.runs import atomic
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import shell_of


class SaveDialog(ModalScreen[None]):
    """Saves whole or not at all; a file that is there is replaced only when asked a second time."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("save_dialog")

    def __init__(self, suggested: Path, text: Callable[[], str]) -> None:
        super().__init__()
        self._suggested = suggested
        self._text = text
        self._replaces: Path | None = None

    def compose(self) -> ComposeResult:
        with Container(classes="dialog"):
            yield Static("Save these settings as YAML", classes="dialog-title")
            yield Input(str(self._suggested), compact=True, select_on_focus=False)
            yield Static(f"A relative path starts in {Path.cwd()}", id="said", markup=False)
            with Container(classes="buttons"):
                yield Button("Save", id="save", compact=True, variant="primary")
                yield Button("Close", id="close", compact=True)

    @on(Input.Submitted)
    @on(Button.Pressed, "#save")
    def _save_or_ask(self) -> None:
        file = Path(self.query_one(Input).value.strip()).expanduser()
        if file.exists() and file != self._replaces:
            self._replaces = file
            self._say(f"{file} is there already. Save again to replace it, or change the name.")
        else:
            self._save(file)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.dismiss()

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _save(self, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic.replace(file, self._text().encode())
        except OSError as error:
            said = f"{file} cannot be written: {error.strerror}. Choose another path."
            self.app.call_from_thread(self._say, said)
        else:
            self.app.call_from_thread(self._saved, file)

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            shell_of(self.app).report_error(event.worker.error)

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(text)

    def _saved(self, file: Path) -> None:
        self.notify(f"{file.absolute()}", title="Saved", markup=False)
        self.dismiss()
