"""A dark and a light theme. Whatever a colour means is also shown by a word or a sign.

Textual itself follows `NO_COLOR`, and turns every colour into a grey.
"""

from __future__ import annotations

from textual.theme import Theme

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
    },
)

THEMES = (DARK, LIGHT)
