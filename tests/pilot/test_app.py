"""The application: modes, palette, help, quitting, errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.keys import key_to_character
from textual.theme import Theme
from textual.widgets import Input, OptionList

from deepsynth_tui.tui.actions import ACTIONS, types_character
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.app_protocol import Mode
from deepsynth_tui.tui.palette import applicable_actions
from deepsynth_tui.tui.screens.crash import CrashDialog
from deepsynth_tui.tui.screens.help import HelpScreen
from deepsynth_tui.tui.screens.runs import RunsScreen
from deepsynth_tui.tui.screens.settings import SettingsScreen
from deepsynth_tui.tui.screens.too_small import TooSmall
from deepsynth_tui.tui.themes import THEMES
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.section import LazyCollapsible
from tests.pilot.forms import (
    cache_model_layout,
    form_app,
    form_is_ready,
    form_of,
    screen_of,
    type_into,
)
from tests.pilot.screen_host import text_of, until


@pytest.fixture(autouse=True)
def _model(home: Path) -> None:
    cache_model_layout()


async def test_the_palette_offers_what_applies_and_the_presets(home: Path) -> None:
    async with form_app(home) as pilot:
        places = {"app", "form", "training"}
        offered = {applicable.action.id for applicable in applicable_actions(pilot.app.screen)}
        expected = {action.id for action in ACTIONS if action.place in places}
        of_field = {"field.complete", "field.edit", "field.new_line"}
        # In a text field Ctrl+C copies.
        assert offered == (expected | of_field) - {"app.help_quit"}
        await pilot.press("f9")
        assert isinstance(pilot.app.screen, CommandPalette)
        await pilot.press(*"qlora_4bit")
        await until(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count > 0)
        await until(pilot, lambda: "qlora_4bit" in text_of(pilot.app.screen))
        await pilot.press("enter")
        await until(pilot, lambda: form_is_ready(pilot))
        assert form_of(pilot).values.values["quantization.enabled"] is True


async def test_modes_stay_as_they_were_left(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "name", "kept")
        await pilot.press("f2")
        await until(pilot, lambda: screen_of(pilot).kind == "dataset" and form_is_ready(pilot))
        assert "[Dataset]" in str(pilot.app.screen.query_one(ModeBar).render())
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        await pilot.press("f3")
        assert form_of(pilot).values.values["name"] == "kept"


async def test_a_dataset_and_settings_can_be_handed_over(home: Path) -> None:
    async with form_app(home, "dataset") as pilot:
        app = pilot.app
        assert isinstance(app, DeepsynthApp)
        app.use_dataset("/data/pages")
        await until(pilot, lambda: screen_of(pilot).kind == "training" and form_is_ready(pilot))
        assert form_of(pilot).values.values["data.path"] == "/data/pages"
        await type_into(pilot, "lora.r", "99")
        app.use_config({"name": "again", "lora": {"r": 4, "lora_alpha": 8}}, "training")
        await until(pilot, lambda: form_of(pilot).values.values["name"] == "again")
        values = form_of(pilot).values
        assert (values.values["lora.r"], values.values["data.path"]) == (4, "")
        assert values.presets["lora"] == "minimal"


async def test_help_explains_the_field_filters_and_runs(home: Path) -> None:
    async with form_app(home) as pilot:
        await form_of(pilot).focus_field("data.max_length")
        focused = pilot.app.focused
        await pilot.press("f1")
        assert isinstance(pilot.app.screen, HelpScreen)
        text = text_of(pilot.app.screen)
        assert "Longest row" in text
        assert "Save these settings as YAML" in text
        await pilot.press("escape")
        assert pilot.app.focused is focused
        await pilot.press("f1", *"theme, asc")
        keys = pilot.app.screen.query_one(OptionList)
        await until(pilot, lambda: keys.option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))
        await pilot.press("escape")
        assert pilot.app.focused is focused


async def test_help_keeps_its_columns_apart_in_a_narrow_terminal(home: Path) -> None:
    async with form_app(home, size=(80, 24)) as pilot:
        await pilot.press("f1", *"x-ray")
        await until(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count == 1)
        text = text_of(pilot.app.screen)
        first = next(line for line in text.splitlines() if "^o" in line)
        rest = text.splitlines()[text.splitlines().index(first) + 1]
        assert "X-ray  " in first
        assert rest.index(rest.strip("│▸ ")) == first.index("Show"), "help wraps in its own column"


async def test_the_focus_returns_to_its_field_after_any_dialog(home: Path) -> None:
    async with form_app(home) as pilot:
        await form_of(pilot).focus_field("lora.r")
        screen, field = screen_of(pilot), pilot.app.focused
        for key in ("f1", "f6", "f9", "f12", "ctrl+n"):
            await pilot.press(key)
            await until(pilot, lambda: pilot.app.screen is not screen)
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)
            assert pilot.app.focused is field, key


async def test_a_click_on_the_footer_and_the_palette_runs_an_action(home: Path) -> None:
    async with form_app(home, size=(80, 24)) as pilot:

        async def click(text: str) -> None:
            lines = text_of(pilot.app.screen).splitlines()
            y = next(y for y, line in reversed(list(enumerate(lines))) if text in line)
            await pilot.click(offset=(lines[y].index(text), y))

        await click("Palette")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        await pilot.press(*"settin")
        await until(pilot, lambda: "Theme, ASCII" in text_of(pilot.app.screen))
        await click("Theme, ASCII")
        await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))


async def test_a_question_mark_can_be_typed(home: Path) -> None:
    async with form_app(home) as pilot:
        await type_into(pilot, "name", "what?")
        assert form_of(pilot).values.values["name"] == "what?"
        assert not isinstance(pilot.app.screen, HelpScreen)


async def test_the_farewell_names_the_live_run_and_the_command_to_watch_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with form_app(home) as pilot:
        app = pilot.app
        assert isinstance(app, DeepsynthApp)
        assert app.farewell() is None
        run = _run_of_this_process(home)
        assert app.farewell() == f"long continues. To watch: deepsynth-tui attach {run}"


async def test_an_error_in_a_worker_is_shown_with_its_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with form_app(home) as pilot:

        async def fail() -> None:
            raise ZeroDivisionError("seventeen")

        focused = pilot.app.focused
        pilot.app.screen.run_worker(fail(), exit_on_error=False)
        await until(pilot, lambda: isinstance(pilot.app.screen, CrashDialog))
        text = text_of(pilot.app.screen)
        assert "ZeroDivisionError: seventeen" in text
        (file,) = (home / "crashes").iterdir()
        assert "raise ZeroDivisionError" in file.read_text()
        copied: list[str] = []
        monkeypatch.setattr(pilot.app, "copy_to_clipboard", copied.append)
        await pilot.press("c")
        assert copied == [file.read_text()]
        await pilot.press("escape")
        assert form_is_ready(pilot)
        assert pilot.app.focused is focused


async def test_a_terminal_that_is_too_small_gets_one_line(home: Path) -> None:
    async with form_app(home) as pilot:
        _run_of_this_process(home)
        await pilot.resize_terminal(50, 12)
        await until(pilot, lambda: isinstance(pilot.app.screen, TooSmall))
        await pilot.pause()
        assert "DeepSynth needs 60x16" in text_of(pilot.app.screen)
        assert "long: " in text_of(pilot.app.screen)
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: form_is_ready(pilot))


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
async def test_every_theme_draws_every_style(home: Path, theme: Theme) -> None:
    async with form_app(home) as pilot:
        pilot.app.theme = theme.name
        await pilot.press("f6", "escape", "f1", "escape")
        assert form_is_ready(pilot)
        assert pilot.app.current_theme == theme


async def test_state_is_readable_without_colour(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with form_app(home) as pilot:
        await type_into(pilot, "data.max_length", "x")
        await type_into(pilot, "name", "other")
        # Without the Hub, the model is one more.
        await until(pilot, lambda: bool(re.search("✗ [23] problems", text_of(screen_of(pilot)))))
        text = text_of(screen_of(pilot))
        for sign in ("[Training]", "• Name", "on", "✗ Max length"):
            assert sign in text, sign
        assert isinstance(pilot.app.focused, Input)


def _run_of_this_process(home: Path) -> str:
    from deepsynth_tui.runs.directory import create_run
    from deepsynth_tui.runs.liveness import own_status, write_status

    run = create_run(home, kind="training", name="long", config_text="kind: training\n")
    write_status(run, own_status(0.0))
    return run.id


@pytest.mark.parametrize("mode", ["training", "dataset"])
async def test_no_character_runs_an_action_of_the_screen_while_the_form_has_the_focus(
    home: Path, mode: Mode
) -> None:
    characters = {
        key: key_to_character(key) for action in ACTIONS for key in action.keys.split(",")
    }
    async with form_app(home, mode) as pilot:
        screen = screen_of(pilot)
        form = form_of(pilot)
        for section in form.query(LazyCollapsible):
            await section.open()
        await until(pilot, lambda: screen.takes_keys)
        for widget in screen.focus_chain:
            screen.set_focus(widget)
            acting = {
                key: active.binding.action
                for key, active in screen.active_bindings.items()
                if types_character(characters.get(key)) and active.node in (screen, pilot.app)
            }
            in_panel = "panel" in {node.id for node in widget.ancestors_with_self}
            assert bool(acting) == in_panel, (widget, acting)


@pytest.mark.parametrize("place", ["save_dialog", "help", "form", "field_row", "field_select"])
def test_where_text_is_typed_no_action_has_a_character_as_its_only_key(place: str) -> None:
    for action in ACTIONS:
        if action.place == place:
            assert not all(types_character(key_to_character(key)) for key in action.keys.split(","))
