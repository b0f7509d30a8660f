"""What screens may use of the application.

Screens and widgets import this protocol, never the application. The first screen of a mode
composes `ModeBar(mode)` first and the footer last, so that these two lines are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from textual.app import App

    from deepsynth_tui.config.interface import InterfaceSettings
    from deepsynth_tui.config.kinds import RunKind
    from deepsynth_tui.config.problems import Problem
    from deepsynth_tui.runs.directory import RunDirectory

Mode = Literal["dataset", "training", "runs", "adapters"]


class AppApi(Protocol):
    """The application as its screens see it.

    `home` is the folder of runs and drafts, `settings_file` holds the settings of the interface,
    `settings_problems` is what is wrong there, `keymap` are the keys from it by id of their action.
    """

    home: Path
    settings_file: Path | None
    settings_problems: Sequence[Problem]
    keymap: Mapping[str, str]

    @property
    def settings(self) -> InterfaceSettings:
        """The settings of the interface."""
        ...

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Set settings of the interface, at once and for the next start. Raises UserError."""
        ...

    def open_run(self, run: RunDirectory) -> None:
        """Show the monitor of `run` on top of the list of runs."""
        ...

    def use_dataset(self, path: str) -> None:
        """Show the Training screen with `data.path` set to `path`."""
        ...

    def use_config(self, values: Mapping[str, Any], kind: RunKind) -> None:
        """Show the form of `kind`, filled with `values` (sections of fields, as in YAML)."""
        ...

    def report_error(self, error: BaseException) -> None:
        """Show an unexpected error with its traceback and keep running."""
        ...


def app_api(app: App[object]) -> AppApi:
    """Return the running application, typed as the protocol."""
    return cast("AppApi", app)
