"""Which theme fits a terminal, and what a theme must tell apart."""

from __future__ import annotations

import pytest
from rich.color import Color
from textual.theme import Theme

from deepsynth_tui.config.interface import ThemeSetting
from deepsynth_tui.tui.themes import (
    ANSI_DARK,
    ANSI_LIGHT,
    DARK,
    LIGHT,
    NO_COLOUR,
    THEMES,
    named_colours,
    rich_colour,
    theme_for,
)


@pytest.mark.parametrize(
    ("setting", "colours", "environment", "theme"),
    [
        ("auto", "truecolor", {}, DARK),
        ("auto", "256", {}, DARK),
        ("auto", "standard", {}, ANSI_DARK),
        ("auto", "standard", {"COLORFGBG": "0;15"}, ANSI_LIGHT),
        ("auto", "standard", {"COLORFGBG": "15;default;0"}, ANSI_DARK),
        ("light", "standard", {}, LIGHT),
        ("ansi-light", "truecolor", {}, ANSI_LIGHT),
        ("light", "truecolor", {"NO_COLOR": ""}, NO_COLOUR),
    ],
)
def test_the_theme_of_a_terminal(
    setting: ThemeSetting, colours: str, environment: dict[str, str], theme: Theme
) -> None:
    assert theme_for(setting, colours, environment) is theme


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_texts_of_rich_know_the_colours_of_a_theme(theme: Theme) -> None:
    from rich.style import Style

    variables = {**theme.to_color_system().generate(), **theme.variables}
    for name in ("primary", "secondary", "success", "warning", "error", "muted"):
        assert Style.parse(f"bold {rich_colour(variables, name)}").bold


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_names_of_colours_are_those_of_the_theme(theme: Theme) -> None:
    red = Color.parse("red").get_truecolor(named_colours(theme)).hex
    assert red == theme.error
    assert Color.parse("bright_green").get_truecolor(named_colours(theme)).hex == theme.success


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_focus_stands_out(theme: Theme) -> None:
    variables = theme.variables
    focus = variables["focus-background"], variables["focus-text-style"]
    assert focus != (theme.panel, "none")
    cursor = variables["block-cursor-background"], variables["block-cursor-text-style"]
    assert "reverse" in cursor[1] or cursor[0] != theme.background
