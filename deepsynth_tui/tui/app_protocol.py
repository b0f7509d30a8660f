"""What a screen may ask of the application around it.

Screens know this protocol, never the application: `shell_of(self.app)` is the one place where
one becomes the other. The first screen of a mode composes `ModeBar(mode)` first and `DiffedFooter()`
last, so that the first and the last line are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from textual.app import App

    from deepsynth_tui.config.kinds import RunKind
    from deepsynth_tui.runs.directory import RunDirectory

Mode = Literal["dataset", "training", "runs"]


class Shell(Protocol):
    """The application, as its screens see it."""

    home: Path

    def open_run(self, run: RunDirectory) -> None:
        """Show the monitor of `run`, above the list of runs."""
        ...

    def use_dataset(self, path: str) -> None:
        """Go to the Training screen with `data.path` filled."""
        ...

    def use_config(self, values: Mapping[str, Any], kind: RunKind) -> None:
        """Go to the form of that kind, filled with `values` (sections of fields, as in YAML)."""
        ...

    def report_error(self, error: BaseException) -> None:
        """Show an unexpected error of a worker, with its trace, and stay up."""
        ...


def shell_of(app: App[object]) -> Shell:
    """Return the running application as the protocol that screens may use."""
    return cast("Shell", app)
