"""Ask a child process to merge an adapter; it imports torch and loads the models."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.adapters.tasks import SERVER
from deepsynth_tui.child_process import ask_with_progress
from deepsynth_tui.errors import UserError

DEFAULT_PAGES = 16


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """What a person asks for.

    Attributes:
        adapter: A folder, a run or a Hub id.
        output: The folder to write; new or empty.
        onto: The weights to merge into; `auto`: those that give the nearer model.
        max_drift: Write nothing beyond this divergence, in nats per token.
        data: Pages to measure on; None: those that the run of the adapter held out.
        limit: Measure on at most this many pages.
    """

    adapter: str
    output: Path
    onto: Literal["auto", "full", "dequantized"] = "auto"
    max_drift: float | None = None
    data: str | None = None
    split: str | None = None
    limit: int = DEFAULT_PAGES


def request_merge(
    request: MergeRequest,
    on_progress: Callable[[str], None],
    on_start: Callable[[subprocess.Popen[str]], None] | None = None,
) -> dict[str, Any]:
    """Return what was written and how far it is from base + adapter, as JSON values. Blocks.

    `on_start` gets the process, which may be killed.

    Raises:
        ChildError: the adapter cannot be merged, or drifts too far.
    """
    if not (request.max_drift is None or request.max_drift >= 0):
        raise UserError(f"--max-drift {request.max_drift} is no divergence", "Give 0 or more")
    return ask_with_progress(
        SERVER,
        {
            "task": "merge",
            "adapter": request.adapter,
            "output": str(request.output.expanduser().resolve()),
            "onto": request.onto,
            "max_drift": request.max_drift,
            "data": request.data,
            "split": request.split,
            "limit": request.limit,
        },
        subject="The merged model",
        on_progress=on_progress,
        on_start=on_start,
    )


def merge_lines(verdict: dict[str, Any]) -> list[str]:
    """Return the lines that say what a merge measured and wrote."""
    lines = [f"compared with base + adapter on {verdict['pages']}:"]
    for onto, drift in verdict["drift"].items():
        kept = "  kept" if onto == verdict["kept"] else ""
        lines.append(
            f"{onto:<12} KL {drift['kl']:.3g} nats per token (worst row "
            f"{drift['kl_worst_row']:.3g}), {drift['changed_answers']} of {drift['rows']} answers "
            f"change{kept}"
        )
    return [*lines, *verdict["notes"], f"written to {verdict['path']}"]
