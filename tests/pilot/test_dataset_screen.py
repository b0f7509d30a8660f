"""The Dataset screen: the preview of the source, and the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from deepsynth_tui.config.load import load_file
from deepsynth_tui.models.layout_client import request_layout
from deepsynth_tui.runs.directory import list_runs
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.tui.forms.drafts import save_draft
from deepsynth_tui.tui.screens.monitor import MonitorScreen
from deepsynth_tui.tui.screens.pages import PagesScreen
from deepsynth_tui.tui.widgets.form import Form
from tests.pilot.forms import form_app, row_of, screen_of, start_bar, type_into
from tests.pilot.screen_host import text_of, until


async def test_columns_and_the_first_document_are_shown(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text('body,answer\n"Dear \x1b[31mreader\x07, hello",yes\n')
    async with form_app(home, "dataset", (120, 60)) as pilot:
        await type_into(pilot, "source.text_column", "body")
        await type_into(pilot, "source.path", str(file))
        assert "checking" in start_bar(pilot)[1]
        await until(pilot, lambda: "answer" in text_of(screen_of(pilot)))
        text = text_of(screen_of(pilot))
        assert "1 document" in text
        assert "Dear reader, hello" in text, "control characters are taken out"
        assert start_bar(pilot) == (True, "✓ ready")


async def test_a_wrong_column_is_named_beside_its_field(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text("body,answer\nhello,yes\n")
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "source.path", str(file))
        await type_into(pilot, "source.text_column", "bodi")
        await until(pilot, lambda: row_of(pilot, "source.text_column").problem != "")
        assert "bodi" in text_of(screen_of(pilot))
        assert "answer" in text_of(screen_of(pilot)), "the columns that exist are shown"
        assert not start_bar(pilot)[0]


async def test_documents_are_checked_although_another_field_is_invalid(home: Path) -> None:
    async with form_app(home, "dataset") as pilot:
        assert "No documents chosen yet" in text_of(screen_of(pilot))
        await type_into(pilot, "page.margin", "wide")
        await type_into(pilot, "source.path", "builtin:sample")
        assert "No documents" not in flat_text(pilot)
        await until(pilot, lambda: "44 documents" in flat_text(pilot))
        assert "page.margin" in start_bar(pilot)[1]


async def test_a_mended_file_becomes_good_without_a_change_of_the_form(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "letters.csv"
    file.write_text("body,answer\nhello,yes\n")
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "source.target_column", "total")
        await type_into(pilot, "source.path", str(file))
        await until(pilot, lambda: row_of(pilot, "source.target_column").problem != "")
        assert "No documents found" not in flat_text(pilot)
        file.write_text("text,total\nhello,1\n")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: start_bar(pilot) == (True, "✓ ready"))
        file.write_text("body,answer\nhello,yes\n")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: row_of(pilot, "source.target_column").problem != "")
        file.write_text("text,total\nhello,1\n")
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))


async def test_rows_that_will_be_left_out_are_counted_beside_ready(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text('{"text": "a letter"}\n{"text": ""}\nno JSON\n')
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "source.path", str(file))
        ready = (True, "✓ ready  1 empty, 1 bad of 3 documents will be left out")
        await until(pilot, lambda: start_bar(pilot) == ready)


async def test_a_missing_file_holds_start_back(home: Path, tmp_path: Path) -> None:
    async with form_app(home, "dataset", (80, 24)) as pilot:
        await type_into(pilot, "source.path", str(tmp_path / "nothing.csv"))
        await until(pilot, lambda: row_of(pilot, "source.path").problem != "")
        assert not start_bar(pilot)[0]
        await pilot.press("f5")
        await pilot.pause()
        assert list_runs(home) == []


async def test_start_shows_a_run_that_completes_by_itself(home: Path) -> None:
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "source.max_samples", "2")
        await type_into(pilot, "source.path", "builtin:sample")
        await until(pilot, lambda: start_bar(pilot)[0])
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
        (run,) = list_runs(home)
        text = run.config.read_text()
        assert "# Pixels on each side." in text
        config = load_file(run.config).config
        assert config.kind == "dataset"
        assert (config.source.path, config.source.max_samples) == ("builtin:sample", 2)
        await until(pilot, lambda: summarize(run).state == "done")


async def test_the_first_page_is_shown_and_follows_the_form(home: Path) -> None:
    async with form_app(home, "dataset", (120, 60)) as pilot:
        await type_into(pilot, "source.path", "builtin:sample")
        await until(pilot, lambda: "text 20 px, x-height 10.9 px" in text_of(screen_of(pilot)))
        assert any("⠁" <= dots <= "⣿" for dots in text_of(screen_of(pilot)))
        await type_into(pilot, "page.font_size", "40")
        await until(pilot, lambda: "text 40 px" in text_of(screen_of(pilot)))


async def test_suggested_columns_are_shown_and_used_with_one_key(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "questions.jsonl"
    row = '{"question": "Who?", "context": "A letter by \\u001b[31mAnna.", "answer": "Anna"}\n'
    file.write_text(row)
    async with form_app(home, "dataset", (120, 60)) as pilot:
        await type_into(pilot, "source.path", str(file))
        await until(pilot, lambda: "instruction {question}" in text_of(screen_of(pilot)))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: start_bar(pilot)[0])
        assert "proposed columns" not in flat_text(pilot), "they are taken"
        form = screen_of(pilot).query_one(Form)
        assert form.values.values["instruction"] == "{question}"
        assert form.values.values["source.target_column"] == "answer"
        assert form.values.values["source.text_column"] == "context"
        await type_into(pilot, "source.path", "")
        await until(pilot, lambda: "No documents chosen" in text_of(screen_of(pilot)))
        await type_into(pilot, "source.text_column", "")
        await pilot.press("ctrl+g")
        assert form.values.values["source.text_column"] is None


async def test_the_page_is_judged_for_the_model_of_the_training_form(home: Path) -> None:
    request_layout("builtin:tiny-vlm")
    save_draft(home, {"kind": "training", "model": {"name_or_path": "builtin:tiny-vlm"}})
    async with form_app(home, "dataset", (120, 60)) as pilot:
        await type_into(pilot, "source.path", "builtin:sample")
        await until(
            pilot, lambda: "builtin:tiny-vlm: 1024 tokens per page" in text_of(screen_of(pilot))
        )
        # 20 pixels of DejaVu Sans on a page of 1024, resized to 512.
        assert "! x-height 5.5 px after resizing" in text_of(screen_of(pilot))


def flat_text(pilot: Pilot[Any]) -> str:
    """Return the text of the source panel without line breaks."""
    return " ".join(str(pilot.app.screen.query_one("#source-details", Static).render()).split())


async def test_pages_are_turned_and_zoomed(home: Path) -> None:
    async with form_app(home, "dataset", (80, 24)) as pilot:
        await pilot.press("ctrl+l")
        assert not isinstance(pilot.app.screen, PagesScreen), "no path was chosen"
        await type_into(pilot, "source.path", "builtin:sample")
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(pilot.app.screen, PagesScreen))
        await until(pilot, lambda: _has_dots(pilot) and "Row 1" in text_of(pilot.app.screen))
        await pilot.press("right")
        await until(pilot, lambda: _has_dots(pilot) and "Row 2" in text_of(pilot.app.screen))
        await pilot.press("z")
        page = pilot.app.screen.query_one("#page")
        await until(pilot, lambda: page.virtual_size.width > 2 * 70)
        await pilot.press("escape")
        assert screen_of(pilot).kind == "dataset"


def _has_dots(pilot: Pilot[Any]) -> bool:
    return any("⠁" <= dots <= "⣿" for dots in text_of(pilot.app.screen))
