"""Check a configuration against files, datasets and models, in a child process.

The servers are `dataset.preflight` and `training.preflight`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from deepsynth_tui.child_process import ask_async
from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.config.problems import Notice, Problem
from deepsynth_tui.models.page_for_model import PageInfo

TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The first page as it will be drawn, with a thumbnail in braille characters."""

    figures: PageInfo
    thumbnail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """A column in the first rows of a source.

    `filled` is the fraction of rows with a value, None for types other than text and numbers.
    """

    name: str
    kind: str
    filled: float | None
    example: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings that the column names suggest, and why."""

    settings: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class LookedAt:
    """How many documents were read, `empty` and `bad` ones included; `is_all`: there are no
    others."""

    documents: int
    empty: int
    bad: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class Preflight:
    """The result of the checks.

    Attributes:
        count: Documents or rows; None where they cannot be counted without reading everything.
        first: The beginning of the first document.
        page: The first page of the first document.
        contents: What the sources hold and how they are read, in lines.
        looked_at: The documents that the result is based on, None where none was read.
    """

    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()
    columns: tuple[str, ...] = ()
    count: int | None = None
    first: str = ""
    page: FirstPage | None = None
    column_previews: tuple[ColumnPreview, ...] = ()
    proposal: Proposal | None = None
    contents: tuple[str, ...] = ()
    looked_at: LookedAt | None = None


async def run_preflight(kind: RunKind, config_text: str) -> Preflight:
    """Check `config_text` in a child process, which is killed if the calling task is cancelled.

    Raises:
        ChildError: the process gave no answer.
    """
    with tempfile.TemporaryDirectory(prefix="deepsynth-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(config_text, encoding="utf-8")
        answer = await ask_async(
            f"deepsynth_tui.{kind}.preflight",
            arguments=[str(file)],
            subject="The check of these settings",
            timeout=TIMEOUT_SECONDS,
            timeout_advice="Check the disk or network that the documents or the model come from.",
        )
    return read_answer(answer)


def read_answer(answer: Mapping[str, Any]) -> Preflight:
    """Read the JSON object that a preflight server prints."""
    first = answer.get("first") or {}
    # Several sources are set in YAML alone: the form shows the columns of a single source.
    (source,) = answer["sources"] if len(answer.get("sources", ())) == 1 else ({},)
    proposal = source.get("proposal")
    return Preflight(
        problems=tuple(
            Problem(problem["key"], problem["message"], problem.get("hint", ""))
            for problem in answer["problems"]
        ),
        notices=tuple(
            Notice(notice["key"], notice["message"]) for notice in answer.get("notices", ())
        ),
        columns=tuple(answer.get("columns", ())),
        count=answer.get("documents", answer.get("rows")),
        first=first.get("text", ""),
        page=_first_page(first["page"]) if "page" in first else None,
        column_previews=tuple(
            ColumnPreview(column["name"], column["kind"], column["filled"], column["example"])
            for column in source.get("columns", ())
        ),
        proposal=Proposal(proposal["settings"], proposal["why"]) if proposal else None,
        contents=tuple(
            line for entry in answer.get("sources", ()) for line in entry.get("contents", ())
        ),
        looked_at=_looked_at(answer.get("looked_at")),
    )


def _looked_at(numbers: Mapping[str, Any] | None) -> LookedAt | None:
    if numbers is None:
        return None
    return LookedAt(numbers["documents"], numbers["empty"], numbers["bad"], numbers["all"])


def _first_page(page: Mapping[str, Any]) -> FirstPage:
    figures: dict[str, Any] = {field.name: page[field.name] for field in fields(PageInfo)}
    figures["fonts"] = tuple(figures["fonts"])
    return FirstPage(PageInfo(**figures), tuple(page["thumbnail"]))
