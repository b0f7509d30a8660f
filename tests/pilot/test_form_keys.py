"""What a form costs in keys, and what its keys do: undo, arrows, completion, pasted lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList

from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.app_protocol import Mode
from deepsynth_tui.tui.key_paths import KEY_PATHS
from deepsynth_tui.tui.screens.field_commands import FieldCommands
from deepsynth_tui.tui.screens.help import HelpScreen
from deepsynth_tui.tui.widgets.help_line import HelpLine
from tests.pilot.forms import (
    cache_model_layout,
    form_app,
    form_is_ready,
    form_of,
    help_line,
    row_of,
    screen_of,
    type_into,
)
from tests.pilot.screen_host import text_of, until


@pytest.fixture(autouse=True)
def _model(home: Path) -> None:
    cache_model_layout()


def focused_key(pilot: Pilot[Any]) -> str:
    row = screen_of(pilot).focused_row
    return row.spec.key if row else ""


@pytest.mark.parametrize(("kind", "key"), [("training", "data.path"), ("dataset", "source.path")])
async def test_the_path_has_the_focus_in_a_new_form(home: Path, kind: RunKind, key: str) -> None:
    async with form_app(home, kind) as pilot:
        assert focused_key(pilot) == key
        await pilot.press("a")
        assert form_of(pilot).values.values[key] == "a", "no key before the first letter"


@pytest.mark.parametrize("mode", ["training", "runs"])
async def test_the_help_shows_what_takes_few_keys(home: Path, mode: Mode) -> None:
    expected = {
        "training": ["Esc → next rank", "Esc 4 4-bit", "F4 Enter why the newest run failed"],
        "runs": ["F4 Space ↓ = compare the two newest runs"],
    }
    app = DeepsynthApp(home, mode=mode)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: mode == "runs" or form_is_ready(pilot))
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = " ".join(text_of(app.screen).split())
        assert not [line for line in expected[mode] if line not in text], text


def test_no_path_is_longer_than_promised() -> None:
    promised = {
        "next rank": 3,
        "4-bit": 3,
        "why the newest run failed": 2,
        "compare the two newest runs": 4,
        "resume this run": 1,
    }
    assert {path.goal for path in KEY_PATHS} == promised.keys()
    assert all(len(path.keys) <= promised[path.goal] for path in KEY_PATHS)


@pytest.mark.parametrize("field", ["data.path", "training.seed"])
async def test_the_rank_and_four_bits_are_two_keys_away(home: Path, field: str) -> None:
    async with form_app(home) as pilot:
        assert "Panel" in text_of(screen_of(pilot)), "the footer teaches the first key"
        await form_of(pilot).focus_field(field)
        await pilot.press("escape", "right")
        values = form_of(pilot).values.values
        assert (values["lora.r"], values["lora.lora_alpha"]) == (32, 64)
        assert "rank · 4 4-bit" in text_of(screen_of(pilot)), "the panel teaches the second"
        await pilot.press("escape")
        await pilot.press("escape", "4")
        values = form_of(pilot).values.values
        assert (values["quantization.enabled"], values["quantization.bits"]) == (True, 4)
        await pilot.press("8")
        assert form_of(pilot).values.values["quantization.bits"] == 8
        await pilot.press("8")
        assert form_of(pilot).values.values["quantization.enabled"] is False
        await pilot.press("f1")
        assert isinstance(pilot.app.screen, HelpScreen)
        keys = pilot.app.screen.query_one(OptionList)
        offered = {keys.get_option_at_index(index).id for index in range(keys.option_count)}
        assert {"fit.rank_up", "fit.four_bits", "fit.panel"} <= offered


async def test_a_preset_is_undone_whole_with_what_it_replaced(home: Path) -> None:
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "instruction", "My own words.")
        row_of(pilot, "preset.dataset").editor.focus()
        await pilot.press("right", "right", "right")
        replaced = form_of(pilot).values.values["instruction"]
        assert replaced != "My own words."
        toasts = [toast.message for toast in pilot.app._notifications]
        assert any("Replaces Instruction" in toast and "^z" in toast for toast in toasts)
        while form_of(pilot).values.values["instruction"] != "My own words.":
            await pilot.press("ctrl+z")
        assert row_of(pilot, "instruction").query_one(Input).value == "My own words."
        await pilot.press("ctrl+y", "ctrl+y", "ctrl+y")
        assert form_of(pilot).values.values["instruction"] == replaced


async def test_a_reset_is_undone(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "data.max_length", "300")
        await pilot.press("f7", "ctrl+z")
        assert form_of(pilot).values.values["data.max_length"] == 300
        assert row_of(pilot, "data.max_length").query_one(Input).value == "300"
        await pilot.press("ctrl+z")
        assert form_of(pilot).values.values["data.max_length"] == 2048


async def test_up_and_down_move_the_focus_in_two_columns(home: Path) -> None:
    async with form_app(home, size=(120, 36)) as pilot:
        await form_of(pilot).focus_field("training.gradient_accumulation_steps")
        await pilot.press("down")
        assert focused_key(pilot) == "training.max_steps"
        await pilot.press("down")
        assert focused_key(pilot) == "data.eval_fraction"
        await pilot.press("down")
        assert screen_of(pilot).focused_section is not None
        assert focused_key(pilot) == "", "the title of a section"
        await pilot.press("up", "up")
        assert focused_key(pilot) == "training.num_train_epochs"
        await pilot.press("pagedown", "pagedown", "enter", "tab")
        assert focused_key(pilot).startswith("lora.")
        await pilot.press("shift+tab")
        assert focused_key(pilot) == "", "Tab stops at no title of an open section ..."
        await pilot.press("pageup", "pageup", "pageup")
        assert focused_key(pilot) == "data.path"


async def test_a_path_is_completed_with_tab(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "letters-of-2024"
    folder.mkdir()
    (folder / "letters.csv").write_text("text\nhello\n")
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "source.path", f"{tmp_path}/lett")
        editor = row_of(pilot, "source.path").query_one(Input)
        await until(pilot, lambda: editor._suggestion != "")
        await pilot.press("tab")
        assert editor.value == f"{folder}/"
        await pilot.press("l")
        await until(pilot, lambda: editor._suggestion != "")
        await pilot.press("tab")
        assert form_of(pilot).values.values["source.path"] == f"{folder}/letters.csv"
        await pilot.press("tab")
        assert focused_key(pilot) == "source.text_column", "nothing is left to complete"
        await until(pilot, lambda: editor.scroll_offset.x > 0 or len(editor.value) < 50)
        await type_into(pilot, "source.path", str(folder))
        await until(pilot, lambda: form_of(pilot).values.values["source.path"] == str(folder))
        await pilot.press("tab")
        assert focused_key(pilot) == "source.text_column", "a whole path is not completed"


async def test_columns_are_stepped_through_and_completed(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "invoices.jsonl"
    file.write_text('{"text": "a", "total": "1", "customer": "Bo Li"}\n')
    async with form_app(home, "dataset") as pilot:
        await type_into(pilot, "source.path", str(file))
        await until(pilot, lambda: row_of(pilot, "source.target_column").suggestions != ())
        await form_of(pilot).focus_field("source.target_column")
        await until(pilot, lambda: "columns: text, total, customer" in help_line(pilot))
        await pilot.press("right", "right")
        assert form_of(pilot).values.values["source.target_column"] == "total"
        await type_into(pilot, "instruction", "What is due for {cus")
        editor = row_of(pilot, "instruction").query_one(Input)
        await until(pilot, lambda: editor._suggestion != "")
        await pilot.press("tab")
        assert form_of(pilot).values.values["instruction"] == "What is due for {customer}"


async def test_pasted_lines_are_kept_by_the_instruction_and_announced_elsewhere(
    home: Path,
) -> None:
    async with form_app(home, "dataset") as pilot:
        screen = screen_of(pilot)
        await form_of(pilot).focus_field("name")
        assert screen.focused is not None
        screen.focused.post_message(events.Paste("first\nsecond\n"))
        await until(pilot, lambda: form_of(pilot).values.values["name"] == "first")
        toasts = [toast.message for toast in pilot.app._notifications]
        assert any("the first of 2" in toast for toast in toasts)
        await form_of(pilot).focus_field("instruction")
        screen.focused.post_message(events.Paste("Read.\nAll of it."))
        await until(
            pilot, lambda: form_of(pilot).values.values["instruction"] == "Read.\nAll of it."
        )
        assert row_of(pilot, "instruction").size.height == 2
        assert "F6 Save F7 Reset ^z Undo" in text_of(screen), "their keys are those of the form"
        await pilot.press("!", "tab")
        assert form_of(pilot).values.values["instruction"] == "Read.\nAll of it.!"
        assert focused_key(pilot) == "name"


async def test_the_palette_goes_to_any_field(home: Path) -> None:
    async with form_app(home) as pilot:
        provider = FieldCommands(screen_of(pilot))
        hits = [hit async for hit in provider.search("warmup")]
        assert next(str(hit.help) for hit in hits).startswith("Steps of rising")
        await hits[0].command()  # pyright: ignore[reportGeneralTypeIssues]
        assert focused_key(pilot) == "training.warmup_steps"


async def test_what_a_key_changes_is_drawn_in_one_frame(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[set[str]] = []
    draw = Screen._on_timer_update

    def drawn(screen: Screen[Any]) -> None:
        if screen._dirty_widgets:
            frames.append({type(widget).__name__ for widget in screen._dirty_widgets})
        draw(screen)

    async with form_app(home) as pilot:
        screen_of(pilot).set_focus(row_of(pilot, "lora.r").editor)
        await until(pilot, lambda: not screen_of(pilot)._dirty_widgets)
        with monkeypatch.context() as patch:
            patch.setattr(Screen, "_on_timer_update", drawn)
            await pilot.press("tab")
            await until(pilot, lambda: bool(frames))
            await pilot.pause()
        assert focused_key(pilot) == "lora.lora_alpha"
    changed = {"StepInput", "FieldRow", "HelpLine"}
    assert changed <= frames[0]
    assert not any(changed & later for later in frames[1:])


async def test_a_screen_behind_a_dialog_asks_for_no_frames(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[Screen[Any]] = []
    draw = Screen._on_timer_update

    def drawn(screen: Screen[Any]) -> None:
        frames.append(screen)
        draw(screen)

    async with form_app(home) as pilot:
        behind = screen_of(pilot)
        await pilot.press("f9")
        await until(pilot, lambda: pilot.app.screen is not behind)
        with monkeypatch.context() as patch:
            patch.setattr(Screen, "_on_timer_update", drawn)
            behind.query_one(HelpLine).refresh()
            await until(pilot, lambda: behind in frames)
            for _ in range(100):  # turns, in which a frame that asks for the next would go on
                await pilot.pause(0.002)
    assert frames.count(behind) < 5
