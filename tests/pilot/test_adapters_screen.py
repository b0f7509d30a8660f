"""The list of adapters and the result of an exam, over real files and the process that reads
them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from deepsynth_tui.tui.screens.adapter_work import WorksOnAdapters
from deepsynth_tui.tui.screens.adapters import AdaptersScreen
from deepsynth_tui.tui.screens.exam import ExamScreen
from deepsynth_tui.tui.screens.run_dialog import AskValues
from deepsynth_tui.tui.screens.try_out import TryOutScreen
from deepsynth_tui.tui.widgets.adapter_table import column_widths
from deepsynth_tui.workflows.adapter_look import AdapterLook
from tests.pilot.adapters import adapter_run, take_exam
from tests.pilot.screen_host import ScreenHost, text_of, until

SMALL, LARGE = (80, 24), (120, 36)


def host(home: Path) -> ScreenHost:
    return ScreenHost(home, AdaptersScreen)


async def answers(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Wait for the process that reads adapters, which must start first."""
    await until(pilot, condition, turns=6000)


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    await answers(pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts))


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_adapters_with_their_details_and_damaged_ones_with_the_reason(
    home: Path, size: tuple[int, int]
) -> None:
    adapter_run(home, "reads")
    damaged = adapter_run(home, "damaged", later=10)
    (damaged.adapter / "adapter_model.safetensors").write_bytes(b"half")
    async with host(home).run_test(size=size) as pilot:
        await shows(pilot, "damaged", "! ", "reads", "r8")
        await pilot.press("u", "equals_sign", "x")
        assert isinstance(pilot.app.screen, AdaptersScreen), "a damaged one can only be deleted"
        await pilot.press("down")
        await shows(pilot, "LoRA, rank 8", "language 2")
        await pilot.press("enter")
        await shows(pilot, "language 0", "6 of 8", "language 1", "4 of 8", "█")
        await pilot.press("escape")
        await shows(pilot, "damaged")


async def test_filter_marks_and_folders(home: Path, tmp_path: Path) -> None:
    adapter_run(home, "reads")
    adapter_run(home, "answers", later=10)
    elsewhere = adapter_run(tmp_path / "elsewhere", "copied")
    async with host(home).run_test(size=SMALL) as pilot:
        await pilot.press("end", "enter", "escape")  # before there are rows
        await shows(pilot, "reads", "answers")
        await pilot.press("slash", *"read", "enter")
        await shows(pilot, "1 of 2 adapters have “read”")
        await pilot.press("space")
        await shows(pilot, "1 marked: = compares")
        await pilot.press("escape")
        await shows(pilot, "answers", "add a folder")
        await pilot.press("f")
        pilot.app.screen.query_one(Input).value = str(elsewhere.path)
        await pilot.press("enter")
        await answers(pilot, lambda: len(getattr(pilot.app.screen, "entries", None) or ()) == 3)


async def test_no_adapters_yet_says_what_to_do(home: Path) -> None:
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "No adapters yet.", "F3 trains one")


async def test_delete_says_what_is_freed_and_keeps_the_run(home: Path) -> None:
    run = adapter_run(home, "reads")
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "r8")
        await pilot.press("D")
        await shows(pilot, "Delete this adapter?", "Frees", "log and settings of its run stay")
        await pilot.press("enter")
        assert run.adapter.is_dir(), "the safe choice is highlighted"
        await pilot.press("D")
        await shows(pilot, "Delete this adapter?")
        await pilot.press("down", "enter")
        await answers(pilot, lambda: not run.adapter.exists())
        await shows(pilot, "No adapters yet.")
    assert run.config.is_file()


async def test_a_question_is_checked_before_anything_starts(home: Path) -> None:
    adapter_run(home, "reads")
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "r8")
        await pilot.press("equals_sign")
        assert isinstance(pilot.app.screen, AskValues)
        await pilot.press("enter")
        await shows(pilot, "✗ Pages must not be empty")
        await pilot.press(*"x", "tab", "tab", *"0", "enter")
        await shows(pilot, "✗ At most must be a whole number >= 1")
        await pilot.press("escape", "x")
        await shows(pilot, "a folder that PEFT loads")
        await pilot.press("enter")
        await shows(pilot, "Export reads as peft?")
        pilot.app.screen.query_one("#output", Input).value = str(home)
        await pilot.press("enter")
        await shows(pilot, "exists; choose a new one")


async def test_an_exam_offers_the_dataset_of_a_marked_adapter(home: Path) -> None:
    trained = adapter_run(home, "trained", later=10)
    base = {"name": "org/base", "path": "org/base", "commit": None, "reads_images": True}
    config = {"name": "trained", "quantization": {"enabled": False}}
    lineage = {"base": base, "dataset": {"path": "invoices"}, "config": config}
    (trained.adapter / "deepsynth.json").write_text(json.dumps(lineage))
    adapter_run(home, "foreign")
    async with host(home).run_test(size=LARGE) as pilot:
        await shows(pilot, "Dataset     invoices")
        await pilot.press("space", "down", "space")
        await shows(pilot, "2 marked")
        await pilot.press("equals_sign")
        await shows(pilot, "Examine 2 adapters?")
        assert pilot.app.screen.query_one("#data", Input).value == "invoices"


async def test_work_that_fails_says_why_and_can_be_stopped(home: Path) -> None:
    adapter_run(home, "reads")
    async with host(home).run_test(size=LARGE) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, WorksOnAdapters)
        await shows(pilot, "r8")
        await pilot.press("equals_sign", *"nope", "enter")
        await shows(pilot, "✗ Exam of reads and the base: There is no dataset run, file or folder")
        await pilot.press("equals_sign", *"owner/nowhere", "enter")
        await shows(pilot, "● Exam of reads and the base", "s stops")
        await pilot.press("e")
        assert pilot.app.screen is screen, "one thing at a time"
        await pilot.press("s")
        await shows(pilot, "■ Exam of reads and the base: stopped")
        assert not screen.is_working


async def test_try_out_asks_for_one_page(home: Path) -> None:
    adapter_run(home, "reads")
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "r8")
        await pilot.press("u")
        assert isinstance(pilot.app.screen, TryOutScreen)
        await pilot.press("enter")
        await shows(pilot, "✗ Give a file or a text")
        await pilot.press(*"nothing.png", "enter")
        await shows(pilot, "✗ There is no file nothing.png")
        await pilot.press("tab", *"abc", "enter")
        await shows(pilot, "✗ Give a file or a text, not both")


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_exam_shows_scores_and_the_rows_that_differ_first(
    home: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    runs = [adapter_run(home, "first"), adapter_run(home, "second", later=10, used=4)]
    folder, keys = take_exam(home, tmp_path, runs)
    look = AdapterLook(home)
    app = ScreenHost(home, lambda: ExamScreen(look, str(folder.path), keys))
    async with app.run_test(size=size) as pilot:
        await shows(pilot, "CER", "Row 1 of 4", "target")
        text = text_of(pilot.app.screen)
        assert "row 1" in text, "the adapters differ on it"
        await shows(pilot, "ok")
        await answers(pilot, lambda: any("⠀" < char < "⣿" for char in text_of(pilot.app.screen)))
        await pilot.press("right")
        await shows(pilot, "Row 2 of 4", "row 0")
        for metric in ("WER", "edit distance"):
            await pilot.press("m")
            await answers(
                pilot,
                lambda m=metric: f"interval {m}" in " ".join(text_of(pilot.app.screen).split()),
            )
        if size == LARGE:
            assert "! 2 rows are left out" in text_of(pilot.app.screen)
        await pilot.press("z")
        assert "%, 95 % interval" not in text_of(pilot.app.screen)
    look.close()


@pytest.mark.parametrize(("width", "has_size"), [(56, False), (61, True), (80, True), (120, True)])
def test_the_columns_fill_the_table(width: int, has_size: bool) -> None:
    widths = column_widths(width)
    assert sum(widths.values()) + 2 * len(widths) + 1 == width
    assert ("size" in widths) == has_size
