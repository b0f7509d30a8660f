"""The base error of this package."""

from __future__ import annotations

from deepsynth_tui.errors import UserError


class RunError(UserError):
    """An operation on a run failed."""
