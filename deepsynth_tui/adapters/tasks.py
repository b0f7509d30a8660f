"""The tasks of the child process that loads models."""

from __future__ import annotations

SERVER = "deepsynth_tui.adapters.server"
