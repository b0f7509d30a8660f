"""Which crew makes the shards of a configuration."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.writing.process_pool import Processes
from deepsynth_tui.dataset.writing.ray_backend import OnRay
from deepsynth_tui.dataset.writing.shards import Count
from deepsynth_tui.dataset.writing.workers import Alone, Crew


def crew_of(config: DatasetConfig, folder: Path, look: Count) -> Crew:
    """Return who makes shards in `folder`; `look` is for a process that is alone in it.

    Raises `EngineError`.
    """
    if config.engine == "ray":
        return OnRay(config, folder)
    if config.num_proc > 1:
        return Processes(config, folder)
    return Alone(config, folder, look)
