"""Checks of a configuration that need files, tables or the network: asked of a child process."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from deepsynth_tui.config.load import RunKind
from deepsynth_tui.config.problems import Notice, Problem
from deepsynth_tui.models.page_for_model import PageInfo

READS: Mapping[RunKind, tuple[str, ...]] = {
    "training": ("model.", "text_encoder.", "data.", "quantization.", "output."),
    "dataset": (
        "source",
        "filter.",
        "instruction",
        "page.",
        "degrade.",
        "control_characters",
        "seed",
        "output.",
    ),
}
"""Beginnings of the keys that the checks of a kind depend on."""


class PreflightError(Exception):
    """The checks themselves could not be run; the message is the last line that they printed."""


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The first page as it will be drawn, and in small, in braille."""

    figures: PageInfo
    thumbnail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """A column in the first rows of a source; `filled` is how many of them have a value, 0 to 1."""

    name: str
    filled: float
    example: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings that columns of these names ask for, and why."""

    settings: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the checks found: columns, how many documents or rows (None: not known without reading
    on), and for documents the beginning of the first one and its first page."""

    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()
    columns: tuple[str, ...] = ()
    count: int | None = None
    first: str = ""
    page: FirstPage | None = None
    seen: tuple[ColumnPreview, ...] = ()
    proposal: Proposal | None = None


async def run_preflight(kind: RunKind, config_text: str) -> Preflight:
    """Check `config_text` in a child process, which ends with the task when that is cancelled.

    Raises PreflightError when the process gives no answer.
    """
    with tempfile.TemporaryDirectory(prefix="deepsynth-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(config_text, encoding="utf-8")
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"deepsynth_tui.{kind}.preflight",
            str(file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    if child.returncode or not output:
        said = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise PreflightError(said or f"the process ended with status {child.returncode}")
    return read_answer(output)


def read_answer(output: bytes) -> Preflight:
    """Read the JSON object that a preflight prints, on the last line of its output."""
    answer = json.loads(output.strip().rpartition(b"\n")[2])
    first = answer.get("first") or {}
    # Of several sources each has its own: those are set in YAML.
    (source,) = answer["sources"] if len(answer.get("sources", ())) == 1 else ({},)
    proposal = source.get("proposal")
    return Preflight(
        problems=tuple(
            Problem(one["key"], one["message"], one.get("hint", "")) for one in answer["problems"]
        ),
        notices=tuple(Notice(one["key"], one["message"]) for one in answer.get("notices", ())),
        columns=tuple(answer.get("columns", ())),
        count=answer.get("documents", answer.get("rows")),
        first=first.get("text", ""),
        page=_page(first["page"]) if "page" in first else None,
        seen=tuple(
            ColumnPreview(one["name"], one["filled"], one["example"])
            for one in source.get("columns", ())
        ),
        proposal=Proposal(proposal["settings"], proposal["why"]) if proposal else None,
    )


def _page(page: Mapping[str, Any]) -> FirstPage:
    figures: dict[str, Any] = {field.name: page[field.name] for field in fields(PageInfo)}
    figures["fonts"] = tuple(figures["fonts"])
    return FirstPage(PageInfo(**figures), tuple(page["thumbnail"]))
