"""Reporting what goes wrong in the workers of a screen."""

from __future__ import annotations

from textual import on
from textual.message_pump import MessagePump
from textual.worker import Worker, WorkerState

from deepsynth_tui.tui.app_protocol import app_api


class ReportsWorkerErrors(MessagePump):
    """Mixin for screens: an exception in a worker is shown, and the application keeps running.

    Workers of such a screen are started with ``exit_on_error=False``.
    """

    @on(Worker.StateChanged)
    def _report_worker_error(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            app_api(self.app).report_error(event.worker.error)
