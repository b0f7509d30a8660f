"""Whether there is Ray to draw with, told without loading it."""

from __future__ import annotations

from importlib.util import find_spec

from deepsynth_tui.dataset.errors import EngineError


def check_ray() -> None:
    """Raise `EngineError` where Ray is not installed."""
    if find_spec("ray") is None:
        raise EngineError(
            "Ray is not installed",
            "Install it with: pip install 'deepsynth-tui[ray]', or set engine to local.",
            "engine",
        )
