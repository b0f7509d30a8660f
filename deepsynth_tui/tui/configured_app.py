"""An application with settings: theme, ASCII, mouse, notifications, keys.

They are read from a file, where there is one, and written to it when they are changed. Nothing in
the file keeps the application from starting.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import ReturnType
from textual.binding import Binding
from textual.filter import LineFilter

from deepsynth_tui.tui import themes
from deepsynth_tui.tui.actions import display_key
from deepsynth_tui.tui.ascii_filter import AsciiFilter, is_utf8, locale_encoding
from deepsynth_tui.tui.changed_cells import ChangedCellsApp
from deepsynth_tui.tui.terminal_filter import TerminalFilter

if TYPE_CHECKING:
    # Deferred: few starts have a file, and pydantic takes long to import.
    from deepsynth_tui.config.interface import InterfaceSettings
    from deepsynth_tui.config.problems import Problem

PROBLEM_SECONDS = 20.0


class ConfiguredApp(ChangedCellsApp[ReturnType]):
    """Shows itself as the settings say.

    Args:
        settings_file: Where the settings are, None for defaults that are not kept.
    """

    def __init__(self, settings_file: Path | None = None) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.settings_file = settings_file
        self.settings_problems: Sequence[Problem] = ()
        self.keymap: Mapping[str, str] = {}
        self._values: Mapping[str, Any] = {}
        encoding = locale_encoding()
        self._needs_ascii = not is_utf8(encoding)
        self._ascii_filter = AsciiFilter(encoding, enabled=self._needs_ascii)
        self._last_filters = (TerminalFilter(), self._ascii_filter)
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.set_reactive(ConfiguredApp.ansi_theme_dark, themes.named_colours(themes.DARK))
        self.set_reactive(ConfiguredApp.ansi_theme_light, themes.named_colours(themes.LIGHT))
        self.theme = themes.theme_for("auto", self.console.color_system, os.environ).name
        if settings_file is not None and settings_file.exists():
            self._load(settings_file)

    @property
    def settings(self) -> InterfaceSettings:
        """The settings in force."""
        from deepsynth_tui.config.interface import InterfaceSettings

        return InterfaceSettings.model_validate(self._values)

    @property
    def is_ascii(self) -> bool:
        """Whether only ASCII characters are drawn."""
        return self._ascii_filter.enabled

    @property
    def takes_mouse(self) -> bool:
        """Whether clicks and the wheel are for the application."""
        return self._values.get("mouse", True)

    @property
    def notification_seconds(self) -> float:
        """How long a notification is shown."""
        return self._values.get("notification_seconds", self.NOTIFICATION_TIMEOUT)

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Set some settings, at once and for the next start.

        Raises:
            UserError: if they cannot be saved; they are set nevertheless.
        """
        from deepsynth_tui.config.interface import InterfaceSettings
        from deepsynth_tui.tui.forms.interface_file import save_interface

        changed = InterfaceSettings.model_validate({**self._values, **changes})
        self._use(changed.model_dump(mode="json"))
        if self.settings_file is not None:
            save_interface(self.settings_file, changes)

    def _use(self, values: Mapping[str, Any]) -> None:
        """Show the application as all settings say. Its keys stay as they were at the start."""
        self._values = values
        theme, ascii_only = values["theme"], values["ascii"]
        self.theme = themes.theme_for(theme, self.console.color_system, os.environ).name
        is_ascii = self._needs_ascii if ascii_only == "auto" else ascii_only == "always"
        if is_ascii != self._ascii_filter.enabled:
            self._ascii_filter.enabled = is_ascii
            if self.is_running:
                self._invalidate_css()  # with it, the lines that widgets keep
                self.refresh_css(animate=False)

    def _load(self, path: Path) -> None:
        from deepsynth_tui.tui.forms.kept_interface import read_interface
        from deepsynth_tui.tui.keymap import check_keymap

        read = read_interface(path)
        self.keymap, problems = check_keymap(read.values["keymap"])
        self.settings_problems = (*read.problems, *problems)
        self._use(read.values)

    def on_mount(self) -> None:
        """Use the keys of the file."""
        if self.keymap:
            self.set_keymap(dict(self.keymap))

    def on_ready(self) -> None:
        """Say what is wrong with the file, once there is a screen to say it on."""
        if self.settings_problems:
            lines = [
                f"{each.key}: {each.message}" if each.key else each.message
                for each in self.settings_problems
            ]
            self.notify(
                "\n".join([*lines, "Defaults are used in their place."]),
                title=str(self.settings_file),
                severity="warning",
                timeout=PROBLEM_SECONDS,
            )

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters that every drawn line passes: Textual's, then what the terminal must
        not get."""
        return [*super().get_line_filters(), *(f for f in self._last_filters if f.enabled)]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the variables that the stylesheets use and that other themes lack."""
        return themes.VARIABLE_DEFAULTS

    def get_key_display(self, binding: Binding) -> str:
        """Return a key as keyboards label it, the same in the footer, the help and in texts."""
        return display_key(binding.key)
