"""Exams, merges and exports of adapters for the interface, as cancellable work.

The functions are those of the commands; a child process does the work and is killed to cancel it.
An exam goes on where it was, and a merge or an export appears whole or not at all.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.adapters.exam.client import ExamRequest, request_exam
from deepsynth_tui.adapters.export.client import DEFAULT_PAGES as PROOF_PAGES
from deepsynth_tui.adapters.export.client import ExportRequest, export_lines, request_export
from deepsynth_tui.adapters.merge.client import MergeRequest, merge_lines, request_merge
from deepsynth_tui.child_process import ChildError

OnProgress = Callable[[str], None]


class Cancelled(ChildError):
    """The user has cancelled the work."""


class AdapterWork:
    """One piece of work. A method blocks until it is done; `cancel` may be called in any thread."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._is_cancelled = threading.Event()

    def cancel(self) -> None:
        """Kill the process; the method that waits for it raises `Cancelled`."""
        self._is_cancelled.set()
        if self._child is not None:
            self._child.kill()

    def exam(
        self,
        adapters: Sequence[str],
        data: str,
        split: str | None,
        limit: int | None,
        on_progress: OnProgress,
    ) -> tuple[str, list[str]]:
        """Examine adapters and their base; return the folder of the exam and its candidates."""
        request = ExamRequest(list(adapters), data, split, {}, limit, True, None, None)
        folder, keys = self._do(lambda: request_exam(request, on_progress, self._started))
        return str(folder.path), keys

    def merge(
        self,
        adapter: str,
        output: Path,
        onto: Literal["auto", "full", "dequantized"],
        max_drift: float | None,
        data: str | None,
        on_progress: OnProgress,
    ) -> list[str]:
        """Merge an adapter into its base; return what was measured and written."""
        request = MergeRequest(adapter, output, onto, max_drift, data)
        return merge_lines(self._do(lambda: request_merge(request, on_progress, self._started)))

    def export(
        self, adapter: str, to: str, output: Path, prove: str | None, on_progress: OnProgress
    ) -> list[str]:
        """Export an adapter; return what was written and proven."""
        request = ExportRequest(adapter, to, output, prove, None, PROOF_PAGES)
        written = self._do(lambda: request_export(request, on_progress, self._started))
        return list(export_lines(written))

    def _started(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        if self._is_cancelled.is_set():
            child.kill()

    def _do(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except ChildError as error:
            if self._is_cancelled.is_set():
                raise Cancelled("Cancelled") from error
            raise
