"""Settings of the interface: kept, read at the start, and refused in words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from deepsynth_tui.config.interface import load_interface
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.app_protocol import Mode
from deepsynth_tui.tui.screens.help import HelpScreen
from deepsynth_tui.tui.screens.jump import JumpScreen
from deepsynth_tui.tui.screens.runs import RunsScreen
from deepsynth_tui.tui.screens.settings import SettingsScreen
from deepsynth_tui.tui.themes import ANSI_DARK, DARK, LIGHT
from deepsynth_tui.tui.widgets.field_row import FieldRow
from tests.pilot.forms import PatientPilot, cache_model_layout, form_is_ready, form_of, row_of
from tests.pilot.screen_host import text_of, until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    cache_model_layout()
    return tmp_path / "config" / "interface.yaml"


@asynccontextmanager
async def app_with(home: Path, file: Path, mode: Mode = "runs") -> AsyncIterator[Pilot[Any]]:
    app = DeepsynthApp(home, mode=mode, settings_file=file)
    async with app.run_test(size=(120, 36), notifications=True):
        yield PatientPilot(app)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


async def test_a_theme_is_used_at_once_and_at_the_next_start(home: Path, file: Path) -> None:
    async with app_with(home, file) as pilot:
        assert pilot.app.theme == DARK.name
        await pilot.press("f12")
        await until(pilot, lambda: bool(pilot.app.screen.query(FieldRow)))
        assert "where the terminal has 16 colors" in text_of(pilot.app.screen), "it is explained"
        await pilot.press("right", "right")
        await until(pilot, lambda: pilot.app.theme == LIGHT.name)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, RunsScreen)
    assert file.read_text() == "theme: light\n"
    async with app_with(home, file) as pilot:
        assert pilot.app.theme == LIGHT.name


async def test_other_lines_of_the_file_stay(home: Path, file: Path) -> None:
    write(file, "# mine\ntheme: ansi-dark # 16\nkeymap:\n  runs.sort: K\n")
    async with app_with(home, file) as pilot:
        assert pilot.app.theme == ANSI_DARK.name
        await pilot.press("f12")
        await until(pilot, lambda: bool(pilot.app.screen.query(FieldRow)))
        await pilot.press("right", "down", "right")
        assert "Keys    1 changed" in text_of(pilot.app.screen)
    assert file.read_text() == (
        "# mine\ntheme: ansi-light # 16\nkeymap:\n  runs.sort: K\nascii: always\n"
    )


async def test_a_wrong_value_is_said_beside_the_setting_and_not_kept(
    home: Path, file: Path
) -> None:
    async with app_with(home, file) as pilot:
        await pilot.press("f12")
        await until(pilot, lambda: bool(pilot.app.screen.query(FieldRow)))
        seconds = list(pilot.app.screen.query(FieldRow))[-1]
        pilot.app.screen.set_focus(seconds.editor)
        await pilot.press("0")
        await until(pilot, lambda: "must be a whole number" in text_of(pilot.app.screen))
        await pilot.press("backspace", *"12")
        await until(pilot, lambda: seconds.problem == "")
    assert load_interface(file).settings.notification_seconds == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theme: [", "invalid YAML"),
        ("theme: blue\nmouse: false\n", "theme: must be one of auto"),
        ("keymap: {runs.sort: D, runs.srt: x}\n", "keymap.runs.srt: is not an action"),
        ("keymap: {runs.sort: D}\n", "D is the key of runs.delete (Delete) too"),
    ],
)
async def test_a_bad_file_is_said_and_the_rest_of_it_used(
    home: Path, file: Path, text: str, message: str
) -> None:
    write(file, text)
    async with app_with(home, file) as pilot:
        assert isinstance(pilot.app, DeepsynthApp)
        problems = [str(problem) for problem in pilot.app.settings_problems]
        assert any(message in problem for problem in problems), problems
        await until(pilot, lambda: "Defaults are used" in text_of(pilot.app.screen))
        assert pilot.app.settings.theme == "auto"
        assert pilot.app.takes_mouse == ("mouse: false" not in text)
    assert file.read_text() == text


async def test_a_file_that_is_no_yaml_is_not_overwritten(home: Path, file: Path) -> None:
    write(file, "theme: [")
    async with app_with(home, file) as pilot:
        await pilot.press("f12")
        await until(pilot, lambda: bool(pilot.app.screen.query(FieldRow)))
        await pilot.press("right")
        await until(pilot, lambda: "Not saved" in text_of(pilot.app.screen))
    assert file.read_text() == "theme: ["


async def test_the_keymap_holds_in_bindings_footer_texts_and_help(home: Path, file: Path) -> None:
    write(file, "keymap: {app.training: f14, runs.sort: K, runs.filter: F}\n")
    async with app_with(home, file) as pilot:
        app = pilot.app
        text = text_of(app.screen)
        assert "F14 " in text, "in the mode bar"
        await pilot.press("f1", *"sort by")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await until(pilot, lambda: " K " in text_of(app.screen))
        await pilot.press("escape", "F")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press("escape", "f14")
        await until(pilot, lambda: form_is_ready(pilot))


async def test_a_character_of_the_keymap_types_in_a_form(home: Path, file: Path) -> None:
    write(file, "keymap: {form.save: 'S,f6'}\n")
    async with app_with(home, file, "training") as pilot:
        await until(pilot, lambda: form_is_ready(pilot))
        pilot.app.screen.set_focus(row_of(pilot, "quantization.enabled").editor)
        await pilot.press("S")
        assert form_is_ready(pilot), "it acts nowhere in the form"
        await pilot.press("f6")
        assert not form_is_ready(pilot)


async def test_a_letter_jumps_to_its_field_and_escape_stays(home: Path, file: Path) -> None:
    async with app_with(home, file, "training") as pilot:
        await until(pilot, lambda: form_is_ready(pilot))
        start = pilot.app.focused
        await pilot.press("ctrl+n")
        assert isinstance(pilot.app.screen, JumpScreen)
        await pilot.press("escape")
        assert form_is_ready(pilot)
        assert pilot.app.focused is start
        form_screen = pilot.app.screen
        rank = row_of(pilot, "lora.r").editor
        letters = "abcdefghijklmnopqrstuvwxyz"
        letter = letters[form_screen.focus_chain.index(rank)]
        await pilot.press("ctrl+n")
        place = rank.region
        assert text_of(pilot.app.screen).splitlines()[place.y][place.x] == letter
        await pilot.press(letter)
        await until(pilot, lambda: pilot.app.focused is rank)
        await pilot.press("ctrl+n", "ctrl+n")
        assert pilot.app.focused is rank, "a key that is no letter closes"
        assert form_of(pilot).values.values["lora.r"] == 16


async def test_settings_are_a_dialog_over_any_screen(home: Path, file: Path) -> None:
    async with app_with(home, file) as pilot:
        await pilot.press("f12", "f12")
        assert isinstance(pilot.app.screen, RunsScreen)
        await pilot.press("f12")
        assert isinstance(pilot.app.screen, SettingsScreen)


@pytest.mark.parametrize("mode", ["runs", "adapters"])
async def test_headings_of_tables_have_no_colour_of_their_own_in_ansi_themes(
    home: Path, file: Path, mode: Mode
) -> None:
    write(file, "theme: ansi-dark\n")
    async with app_with(home, file, mode) as pilot:
        table = pilot.app.screen.query_one(DataTable)
        heading = table.get_component_styles("datatable--header").background
        assert heading == Color.parse("ansi_default")
