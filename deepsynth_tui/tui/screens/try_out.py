"""The answers of adapters and of their base models to a page that the user gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Static

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.child_session import SessionClosed
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.calm_screen import CalmModalScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.workflows.try_adapter import Question, TryOut

READY = "Enter shows the answers. The models are loaded with the first question and stay loaded."


class TryOutScreen(ReportsWorkerErrors, CalmModalScreen[None]):
    """Asks for pages. A child process, which is killed when the screen closes, loads the models
    once and answers; answers appear as they are generated."""

    CSS_PATH = ["dialog.tcss", "try_out.tcss"]
    BINDINGS = bindings("try_out")
    AUTO_FOCUS = "#file"

    @dataclass
    class Part(Message):
        """A part of the answers has arrived."""

        part: Mapping[str, Any]

    @dataclass
    class Ended(Message):
        """The answers are complete, or there are none: `problem`."""

        problem: str = ""

    def __init__(self, adapters: Sequence[str]) -> None:
        """`adapters` are folders, runs or Hub ids."""
        super().__init__()
        self._adapters = tuple(adapters)
        self._answers: dict[str, tuple[str, str]] = {}
        self._remark = ""
        self._is_asking = False
        self._has_models = False
        self._is_stopping = False

    def compose(self) -> ComposeResult:
        names = sanitize(", ".join(self._adapters))
        with Container(classes="dialog", id="try"):
            yield Static(f"Try {names}", classes="dialog-title", markup=False)
            for name, label, placeholder in (
                ("file", "File", "an image, or a document whose text is drawn"),
                ("text", "or text", "drawn on a page as the dataset of the adapter draws it"),
                ("instruction", "Instruction", "that of the run"),
            ):
                with Container(classes="value"):
                    yield Static(label, markup=False)
                    yield Input(placeholder=placeholder, id=name)
            yield Static(READY, id="state", markup=False)
            with Horizontal(id="result"):
                with VerticalScroll(id="page"):
                    yield Static(markup=False)
                with VerticalScroll(id="answers"):
                    yield Static(markup=False)

    def on_mount(self) -> None:
        self._try_out = TryOut(app_api(self.app).home, self._adapters)

    def on_unmount(self) -> None:
        """End the process with the models."""
        self._try_out.close()

    @on(Input.Submitted)
    def _try(self) -> None:
        file = self.query_one("#file", Input).value.strip()
        text = self.query_one("#text", Input).value
        if problem := _problem(file, text):
            self._say(f"✗ {problem}")
        elif self._is_asking:
            self._say(f"Wait for the answers, or stop them with {key_of('try_out.close')}.")
        else:
            self._is_asking, self._is_stopping = True, False
            self._answers = {}
            self.query_one("#page > Static", Static).update("")
            self._show_answers()
            self._say(f"Starting …   {key_of('try_out.close')} closes")
            path = str(Path(file).expanduser()) if file else ""
            instruction = self.query_one("#instruction", Input).value.strip() or None
            columns = max(20, self.query_one("#page").content_size.width - 1)
            self._ask(Question(path, text, instruction, columns))

    @work(thread=True, exit_on_error=False, group="answers")
    def _ask(self, question: Question) -> None:
        try:
            self._try_out.ask(question, self._pass_on)
        except SessionClosed:
            return
        except ChildError as error:
            self.post_message(self.Ended(str(error)))
        else:
            self.post_message(self.Ended())

    def _pass_on(self, part: Mapping[str, Any]) -> None:
        self.post_message(self.Part(part))

    @on(Part)
    def _show_part(self, event: Part) -> None:
        part = event.part
        stop = f"{key_of('try_out.close')} stops"
        if "pages" in part:
            pages = "\n\n".join("\n".join(lines) for lines in part["pages"])
            self.query_one("#page > Static", Static).update(Text(pages, no_wrap=True))
            self._remark = sanitize(part["remark"])
        elif "loading" in part:
            self._say(f"Loading {sanitize(part['loading'])} …   {stop}")
        elif "done" in part:
            answer = part["done"]
            self._answers[answer["name"]] = answer["answer"], _how_it_ended(answer)
            self._show_answers()
        else:
            self._has_models = True
            if not self._is_stopping:
                self._say(f"{sanitize(part['name'])} answers …   {stop}")
            self._answers[part["name"]] = part["text"], ""
            self._show_answers()

    @on(Ended)
    def _show_end(self, event: Ended) -> None:
        self._is_asking = False
        if event.problem:
            self._say(f"✗ {sanitize(event.problem)}")
        else:
            keys = f"Enter asks again   {key_of('try_out.close')} closes"
            self._say(f"{self._remark}.   {keys}")

    def action_stop_or_close(self) -> None:
        """Stop the answers, or close. Models that are being loaded are not waited for, nor is an
        answer that does not stop."""
        if self._is_asking and self._has_models and not self._is_stopping:
            self._is_stopping = True
            self._say(f"Stopping …   {key_of('try_out.close')} closes")
            self._try_out.stop()
        else:
            self.dismiss(None)

    def _show_answers(self) -> None:
        self.query_one("#answers > Static", Static).update(answers_text(self._answers))

    def _say(self, text: str) -> None:
        self.query_one("#state", Static).update(text)


def _problem(file: str, text: str) -> str:
    """Return what is wrong with the page, empty if nothing is."""
    if file and text.strip():
        return "Give a file or a text, not both"
    if not file and not text.strip():
        return "Give a file or a text"
    if file and not Path(file).expanduser().is_file():
        return f"There is no file {file}"
    return ""


def _how_it_ended(answer: Mapping[str, Any]) -> str:
    if answer["is_stopped"]:
        return " (stopped)"
    return " (cut: it did not end)" if answer["is_cut"] else ""


def answers_text(answers: Mapping[str, tuple[str, str]]) -> Text:
    """Return the answers so far with their names, and how each ended."""
    return Text("").join(_parts(answers))


def _parts(answers: Mapping[str, tuple[str, str]]) -> Iterator[Text]:
    for name, (answer, end) in answers.items():
        yield Text(f"{sanitize(name)}{end}\n", "bold")
        lines = "\n".join(map(sanitize, answer.splitlines()))
        yield Text(f"{lines or '(empty)'}\n\n")
