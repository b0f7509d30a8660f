"""The first batch of a run as the model gets it, shown before the run is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.calm_screen import CalmModalScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.tui.widgets.label_grid import label_grid

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.xray.report import Xray


class XrayScreen(ReportsWorkerErrors, CalmModalScreen[None]):
    """Requests the X-ray from a child process, which is killed when the screen closes."""

    CSS_PATH = ["dialog.tcss", "xray.tcss"]
    BINDINGS = bindings("xray")

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self._config = config

    def compose(self) -> ComposeResult:
        title = f"First batch, as the model gets it   {key_of('xray.close')} closes"
        with Container(classes="dialog", id="xray"):
            yield Static(title, classes="dialog-title")
            with VerticalScroll():
                yield Static("Making the first batch …", markup=False, id="batch")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self._request_xray()

    @work(exclusive=True, exit_on_error=False)
    async def _request_xray(self) -> None:
        from deepsynth_tui.child_process import ChildError
        from deepsynth_tui.training.xray.client import request_xray_async

        try:
            xray = await request_xray_async(self._config)
        except ChildError as error:
            self._show(_error_text(error.message, error.advice))
        else:
            self._show(_xray_text(xray))

    def _show(self, content: RenderableType) -> None:
        self.query_one("#batch", Static).update(content)


def _xray_text(xray: Xray) -> Group:
    from deepsynth_tui.training.xray.text import xray_sections

    parts: list[RenderableType] = []
    for title, rows in xray_sections(xray):
        parts += [Text(title, "bold"), label_grid(rows), Text()]
    return Group(*parts)


def _error_text(message: str, advice: str) -> Text:
    from deepsynth_tui.training.xray.text import escape_invisible

    return Text.assemble((escape_invisible(message), "bold"), "\n\n", escape_invisible(advice))
