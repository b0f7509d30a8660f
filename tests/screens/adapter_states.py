"""Adapters, what is done with them, and exams, in their states. A process reads the files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.screens.adapters import AdaptersScreen
from deepsynth_tui.tui.screens.exam import ExamScreen
from tests.pilot.adapters import adapter_run, take_exam
from tests.screens.state import PROCESS_TURNS, State, shows, shows_page

Show = Callable[[Pilot[Any]], Awaitable[None]]


def three_adapters(home: Path) -> list[RunDirectory]:
    """Two adapters that can be used, of which the newer one says what it learned, and a damaged
    one."""
    damaged = adapter_run(home, "damaged")
    (damaged.adapter / "adapter_model.safetensors").write_bytes(b"half")
    first = adapter_run(home, "invoices-r8", later=10, used=4)
    second = adapter_run(home, "invoices-r8-longer", later=20)
    base = {"name": "org/base", "path": "org/base", "commit": None, "reads_images": True}
    config = {"name": second.id, "quantization": {"enabled": False}}
    lineage = {"base": base, "dataset": {"path": "invoices"}, "config": config}
    (second.adapter / "deepsynth.json").write_text(json.dumps(lineage))
    return [first, second]


def _adapters(*keys: str, text: str = "norm of the update") -> Show:
    """Return how to press keys once the highlighted adapter was read, and wait for a text."""

    async def show(pilot: Pilot[Any]) -> None:
        await shows(pilot, "damaged", "norm of the update", turns=PROCESS_TURNS)
        await pilot.press(*keys)
        await shows(pilot, text, turns=PROCESS_TURNS)

    return show


async def _none(pilot: Pilot[Any]) -> None:
    await shows(pilot, "No adapters yet.", turns=PROCESS_TURNS)


async def _wrong_value(pilot: Pilot[Any]) -> None:
    await _adapters("equals_sign", text="Examine")(pilot)
    pilot.app.screen.query_one("#data", Input).value = ""
    await pilot.press("enter")
    await shows(pilot, "Pages must not be empty")


def exam_taken(home: Path) -> list[RunDirectory]:
    """Adapters and an exam of them."""
    runs = three_adapters(home)
    take_exam(home, home.parent, runs)
    return runs


def _exam(*keys: str, text: str = "target") -> Show:
    async def show(pilot: Pilot[Any]) -> None:
        await _open_exam(pilot)
        await shows(pilot, "Row 1 of 4", "target", turns=PROCESS_TURNS)
        await shows_page(pilot)
        await pilot.press(*keys)
        await shows(pilot, text, turns=PROCESS_TURNS)

    return show


async def _exam_without_pages(pilot: Pilot[Any]) -> None:
    shutil.rmtree(pilot.app.home.parent / "pages")  # pyright: ignore[reportAttributeAccessIssue]
    await _open_exam(pilot)
    await shows(pilot, "Row 1 of 4", "✗", turns=PROCESS_TURNS)


async def _exam_computed(pilot: Pilot[Any]) -> None:
    await _open_exam(pilot)
    await shows(pilot, "Computing scores")


async def _open_exam(pilot: Pilot[Any]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, AdaptersScreen)
    home: Path = pilot.app.home  # pyright: ignore[reportAttributeAccessIssue]
    await pilot.app.push_screen(
        ExamScreen(screen.look, str(home / "exams" / "f1"), ["key0", "key1", "key2"])
    )


ADAPTER_STATES = (
    State("adapters-empty", "adapters", _none),
    State("adapters-filled", "adapters", _adapters(), three_adapters),
    State(
        "adapters-marked",
        "adapters",
        _adapters("space", "down", "space", text="2 marked"),
        three_adapters,
    ),
    State("adapters-details", "adapters", _adapters("enter", text="language 0"), three_adapters),
    State("adapters-damaged", "adapters", _adapters("end", text="truncated"), three_adapters),
    State(
        "adapters-filter", "adapters", _adapters("slash", *"long", text="1 of 3"), three_adapters
    ),
    State(
        "adapters-error",
        "adapters",
        _adapters("down", "equals_sign", *"nope", "enter", text="✗ Exam of"),
        three_adapters,
    ),
    State(
        "adapters-running",
        "adapters",
        _adapters("down", "equals_sign", *"owner/nowhere", "enter", text="s stops"),
        three_adapters,
    ),
    State("adapters-exam-question", "adapters", _wrong_value, three_adapters),
    State("adapters-merge", "adapters", _adapters("e", text="Max drift"), three_adapters),
    State("adapters-export", "adapters", _adapters("x", text="llama.cpp"), three_adapters),
    State("adapters-delete", "adapters", _adapters("D", text="Frees"), three_adapters),
    State("adapters-try", "adapters", _adapters("u", "enter", text="✗"), three_adapters),
    State("exam-running", "adapters", _exam_computed, exam_taken),
    State("exam-filled", "adapters", _exam(), exam_taken),
    State("exam-zoomed", "adapters", _exam("right", "z", text="Row 2 of 4"), exam_taken),
    State("exam-error", "adapters", _exam_without_pages, exam_taken),
)
