"""The first batch of a run as the model gets it, before the run is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import shell_of
from deepsynth_tui.tui.widgets.label_grid import label_grid

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.xray.report import Xray


class XrayScreen(ModalScreen[None]):
    """Asks a child process, which ends when this is closed, and scrolls through its answer."""

    CSS_PATH = ["dialog.tcss", "xray.tcss"]
    BINDINGS = bindings("xray")

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self._config = config

    def compose(self) -> ComposeResult:
        with Container(classes="dialog", id="xray"):
            yield Static(
                f"What the model gets   {key_of('xray.close')} closes", classes="dialog-title"
            )
            with VerticalScroll():
                yield Static("Making the first batch …", markup=False, id="seen")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self._look()

    @work(exclusive=True, exit_on_error=False)
    async def _look(self) -> None:
        from deepsynth_tui.child_process import ChildError
        from deepsynth_tui.training.xray.client import request_xray_async

        try:
            found = await request_xray_async(self._config)
        except ChildError as error:
            self._show(_refusal(error.message, error.advice))
        else:
            self._show(_all(found))

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            shell_of(self.app).report_error(event.worker.error)

    def _show(self, seen: RenderableType) -> None:
        self.query_one("#seen", Static).update(seen)


def _all(xray: Xray) -> Group:
    from deepsynth_tui.training.xray.text import xray_sections

    parts: list[RenderableType] = []
    for title, texts in xray_sections(xray):
        parts += [Text(title, "bold"), label_grid(texts), Text()]
    return Group(*parts)


def _refusal(message: str, advice: str) -> Text:
    from deepsynth_tui.training.xray.text import escape_invisible

    return Text.assemble((escape_invisible(message), "bold"), "\n\n", escape_invisible(advice))
