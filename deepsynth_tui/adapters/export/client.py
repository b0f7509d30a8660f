"""Ask a child process to export an adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.tasks import SERVER
from deepsynth_tui.child_process import ask_with_progress

DEFAULT_PAGES = 8


def request_export(
    adapter: str,
    to: str,
    output: Path,
    *,
    prove: str | None,
    split: str | None,
    limit: int,
    on_progress: Callable[[str], None],
) -> dict[str, Any]:
    """Return what was written, and the proof, as JSON values. Blocks.

    Raises:
        ChildError: the adapter cannot be exported, or the export answers something else.
    """
    question = {
        "task": "export",
        "adapter": adapter,
        "to": to,
        "output": str(output.expanduser().resolve()),
        "prove": prove,
        "split": split,
        "limit": limit,
    }
    return ask_with_progress(SERVER, question, subject="The export", on_progress=on_progress)
