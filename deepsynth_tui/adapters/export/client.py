"""Ask a child process to export an adapter."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.tasks import SERVER
from deepsynth_tui.child_process import ask_with_progress

DEFAULT_PAGES = 8


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a person asks for.

    Attributes:
        output: The folder or file to write; None to write nothing and only prove a `server`.
        prove: Pages that the export, or the server, must answer as the trained adapter does.
        towers: See `export.vllm.Towers`.
        converter: llama.cpp's converter, or the folder of llama.cpp; None: found on this machine.
        server: URL of a server that speaks the OpenAI protocol.
        served_model: The model to ask it for; None: the one that bears the adapter's name.
    """

    adapter: str
    to: str | None
    output: Path | None
    prove: str | None
    split: str | None
    limit: int
    towers: str = "refuse"
    converter: Path | None = None
    server: str | None = None
    served_model: str | None = None


def request_export(
    request: ExportRequest,
    on_progress: Callable[[str], None],
    on_start: Callable[[subprocess.Popen[str]], None] | None = None,
) -> dict[str, Any]:
    """Return what was written, and the proof, as JSON values. Blocks.

    `on_start` gets the process, which may be killed.

    Raises:
        ChildError: the adapter cannot be exported, or the export or the server answers something
            else.
    """
    output, converter = request.output, request.converter
    question = {
        "task": "export",
        "adapter": request.adapter,
        "to": request.to,
        "output": str(output.expanduser().resolve()) if output else None,
        "prove": request.prove,
        "split": request.split,
        "limit": request.limit,
        "towers": request.towers,
        "converter": str(converter.expanduser().resolve()) if converter else None,
        "server": request.server,
        "served_model": request.served_model,
    }
    return ask_with_progress(
        SERVER, question, subject="The export", on_progress=on_progress, on_start=on_start
    )


def export_lines(written: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that say what an export wrote and proved."""
    yield from (f"note: {note}" for note in written.get("notes", ()))
    if "path" in written:
        yield f"written to {written['path']}"
    if "command" in written:
        yield f"serve it: {written['command']}"
    if proof := written.get("proof"):
        answered = f"{proof['model']} at {proof['server']}: " if "server" in proof else ""
        yield (
            f"proven: {answered}{proof['same']} of {proof['rows']} answers are those of the adapter"
            f" ({proof['pages']}); {proof['same_as_base']} of them are also those of the base"
        )
