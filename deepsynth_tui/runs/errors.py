"""The errors that several modules of this package raise."""

from __future__ import annotations

from deepsynth_tui.errors import UserError


class RunError(UserError):
    """An operation on a run failed."""


class LaunchError(RunError):
    """A job could not be started."""
