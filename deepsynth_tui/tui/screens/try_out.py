"""The answers of an adapter and of its base model to a page that the user chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.workflows.try_adapter import answers_to_page


class TryOutScreen(ReportsWorkerErrors, ModalScreen[None]):
    """Asks for a page and an instruction. A child process, which is killed when the screen closes,
    loads the model and answers."""

    CSS_PATH = ["dialog.tcss", "xray.tcss"]
    BINDINGS = bindings("try_out")

    def __init__(self, adapter: Path) -> None:
        super().__init__()
        self._adapter = adapter

    def compose(self) -> ComposeResult:
        title = f"Try {self._adapter}   {key_of('try_out.close')} closes"
        with Container(classes="dialog", id="xray"):
            yield Static(title, classes="dialog-title", markup=False)
            yield Input(placeholder="Page: an image file", id="image")
            yield Input(placeholder="Instruction: empty for that of the run", id="instruction")
            with VerticalScroll():
                yield Static("Enter shows the answers.", markup=False, id="answers")

    def on_mount(self) -> None:
        for line in self.query(Input):
            line.cursor_blink = False
        self.query_one("#image").focus()

    @on(Input.Submitted)
    def _try(self) -> None:
        image = Path(self.query_one("#image", Input).value).expanduser()
        if not image.is_file():
            self._show(f"✗ There is no file {image}")
            return
        self._show("Loading the model …")
        self._ask(image, self.query_one("#instruction", Input).value or None)

    @work(exclusive=True, exit_on_error=False)
    async def _ask(self, image: Path, instruction: str | None) -> None:
        from deepsynth_tui.child_process import ChildError

        try:
            answers = await answers_to_page(self._adapter, image, instruction)
        except ChildError as error:
            self._show(f"✗ {error.message}\n{error.advice}")
        else:
            self._show(_answers_text(answers))

    def _show(self, content: str | Text) -> None:
        self.query_one("#answers", Static).update(content)


def _answers_text(answers: list[dict[str, Any]]) -> Text:
    text = Text()
    for answer in answers:
        cut = " (cut: it did not end)" if answer["is_cut"] else ""
        text.append(f"{sanitize(answer['name'])}{cut}\n", "bold")
        lines = "\n".join(map(sanitize, answer["answer"].splitlines()))
        text.append(f"{lines or '(empty)'}\n\n")
    return text
