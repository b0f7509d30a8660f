"""The themes, and which one fits a terminal.

Whatever a colour means is also shown by a word or a sign. The variables `focus-*` are how the
focused field and the cursor of a list stand out.

- Dark and light: 24-bit colours, which terminals with 256 colours approximate.
- ANSI dark and light: the 16 colours and the background that the user has chosen for the terminal.
- Without colours (`NO_COLOR`): bold and reverse only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.terminal_theme import TerminalTheme
from textual.color import Color
from textual.theme import Theme

if TYPE_CHECKING:
    from deepsynth_tui.config.interface import ThemeSetting

DARK = Theme(
    name="deepsynth-dark",
    dark=True,
    primary="#7aa7d9",
    secondary="#8fa3bf",
    accent="#d6a76a",
    foreground="#d7dce4",
    background="#14171d",
    surface="#1a1e26",
    panel="#252b36",
    success="#8dc891",
    warning="#e0b567",
    error="#ec8a86",
    variables={
        "muted": "#8c95a6",
        "scrollbar": "#343c4a",
        "scrollbar-hover": "#4a5568",
        "scrollbar-active": "#4a5568",
        "scrollbar-background": "#14171d",
        "scrollbar-background-hover": "#14171d",
        "scrollbar-background-active": "#14171d",
        "link-style": "none",
        "link-color": "#8c95a6",
        "block-cursor-background": "#7aa7d9",
        "block-cursor-foreground": "#14171d",
        "block-cursor-text-style": "bold",
        "footer-background": "#1a1e26",
        "footer-key-foreground": "#7aa7d9",
        "input-selection-background": "#7aa7d9 40%",
        "border-blurred": "#252b36",
        "focus-background": "#7aa7d9 30%",
        "focus-foreground": "#d7dce4",
        "focus-text-style": "none",
        "faint": "#d7dce4 40%",
        "frame": "#3a4352",
    },
)

LIGHT = Theme(
    name="deepsynth-light",
    dark=False,
    primary="#1f5fa8",
    secondary="#4d6480",
    accent="#8f5a00",
    foreground="#23282f",
    background="#f8f8f5",
    surface="#efefea",
    panel="#e0e1da",
    success="#23703a",
    warning="#855b00",
    error="#b3261e",
    variables={
        "muted": "#6a7280",
        "scrollbar": "#c9ccc6",
        "scrollbar-hover": "#a9ada6",
        "scrollbar-active": "#a9ada6",
        "scrollbar-background": "#f8f8f5",
        "scrollbar-background-hover": "#f8f8f5",
        "scrollbar-background-active": "#f8f8f5",
        "link-style": "none",
        "link-color": "#6a7280",
        "block-cursor-background": "#1f5fa8",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "footer-background": "#efefea",
        "footer-key-foreground": "#1f5fa8",
        "input-selection-background": "#1f5fa8 30%",
        "border-blurred": "#e0e1da",
        "focus-background": "#1f5fa8 30%",
        "focus-foreground": "#23282f",
        "focus-text-style": "none",
        "faint": "#23282f 40%",
        "frame": "#c3c6bf",
    },
)


def _ansi_theme(name: str, *, dark: bool, **colours: str) -> Theme:
    """Return a theme of the terminal's own colours. `ansi_default` is what it writes text with."""
    accent, on_accent = colours["primary"], "ansi_black" if dark else "ansi_bright_white"
    return Theme(
        name=name,
        ansi=True,
        dark=dark,
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        primary=accent,
        secondary=colours["secondary"],
        accent=colours["accent"],
        success=colours["success"],
        warning=colours["warning"],
        error=colours["error"],
        variables={
            "ansi-background": "ansi_black" if dark else "ansi_white",
            "ansi-foreground": "ansi_white" if dark else "ansi_black",
            "muted": "ansi_default",
            "faint": "ansi_default",
            "frame": "ansi_default",
            "border": accent,
            "border-blurred": "ansi_default",
            "link-style": "none",
            "link-color": "ansi_default",
            "scrollbar": "ansi_default",
            "scrollbar-hover": accent,
            "scrollbar-active": accent,
            "scrollbar-background": "ansi_default",
            "scrollbar-background-hover": "ansi_default",
            "scrollbar-background-active": "ansi_default",
            "block-cursor-background": accent,
            "block-cursor-foreground": on_accent,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-text-style": "bold",
            "footer-key-foreground": accent,
            "input-cursor-background": "ansi_default",
            "input-cursor-foreground": "ansi_default",
            "input-cursor-text-style": "reverse",
            "input-selection-background": accent,
            "input-selection-foreground": on_accent,
            "screen-selection-background": accent,
            "screen-selection-foreground": on_accent,
            "focus-background": accent,
            "focus-foreground": on_accent,
            "focus-text-style": "none",
        },
    )


ANSI_DARK = _ansi_theme(
    "deepsynth-ansi-dark",
    dark=True,
    primary="ansi_bright_cyan",
    secondary="ansi_bright_blue",
    accent="ansi_bright_yellow",
    success="ansi_bright_green",
    warning="ansi_bright_yellow",
    error="ansi_bright_red",
)
ANSI_LIGHT = _ansi_theme(
    "deepsynth-ansi-light",
    dark=False,
    primary="ansi_blue",
    secondary="ansi_magenta",
    accent="ansi_magenta",
    success="ansi_green",
    warning="ansi_magenta",
    error="ansi_red",
)
_REVERSE = {
    "block-cursor-text-style": "bold reverse",
    "block-cursor-blurred-text-style": "bold reverse",
    "input-selection-text-style": "reverse",
    "focus-text-style": "underline",  # the cursor of a text field is reverse
}
NO_COLOUR = _ansi_theme(
    "deepsynth-no-colour",
    dark=True,
    **dict.fromkeys(
        ("primary", "secondary", "accent", "success", "warning", "error"), "ansi_default"
    ),
)
NO_COLOUR.variables.update(_REVERSE)

THEMES = (DARK, LIGHT, ANSI_DARK, ANSI_LIGHT, NO_COLOUR)
_BY_SETTING: Mapping[ThemeSetting, Theme] = {
    "dark": DARK,
    "light": LIGHT,
    "ansi-dark": ANSI_DARK,
    "ansi-light": ANSI_LIGHT,
}
VARIABLE_DEFAULTS = {
    name: DARK.variables[name]
    for name in (
        "muted",
        "faint",
        "frame",
        "focus-background",
        "focus-foreground",
        "focus-text-style",
    )
}
"""Variables of the stylesheets that Textual's own themes lack."""
_LIGHT_BACKGROUNDS = ("7", "15")


def theme_for(
    setting: ThemeSetting, colour_system: str | None, environment: Mapping[str, str]
) -> Theme:
    """Return the theme of a setting in a terminal.

    Args:
        setting: What the user has set.
        colour_system: What Rich detects: `standard` is 16 colours.
        environment: `NO_COLOR`, and `COLORFGBG`, in which some terminals tell their background.
    """
    if "NO_COLOR" in environment:
        return NO_COLOUR
    if setting != "auto":
        return _BY_SETTING[setting]
    if colour_system != "standard":
        return DARK
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    return ANSI_LIGHT if background in _LIGHT_BACKGROUNDS else ANSI_DARK


def named_colours(theme: Theme) -> TerminalTheme:
    """Return what names of colours, such as `red`, mean in texts of Rich: those of a theme."""
    shades = (
        theme.background,
        theme.error,
        theme.success,
        theme.warning,
        theme.primary,
        theme.accent,
        theme.secondary,
        theme.foreground,
    )
    triplets = [Color.parse(shade).rgb for shade in shades if shade]
    return TerminalTheme(triplets[0], triplets[-1], triplets, triplets)


def rich_colour(variables: Mapping[str, str], name: str) -> str:
    """Return a theme variable as Rich names the colour, for texts that Rich styles."""
    return Color.parse(variables[name]).rich_color.name
