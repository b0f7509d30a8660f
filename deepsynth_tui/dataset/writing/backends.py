"""Which crew makes the shards of a configuration."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.writing.inline_backend import InlineBackend, WorkerBackend
from deepsynth_tui.dataset.writing.process_pool import ProcessPoolBackend
from deepsynth_tui.dataset.writing.ray_backend import RayBackend
from deepsynth_tui.dataset.writing.shards import Count


def create_backend(config: DatasetConfig, folder: Path, look: Count) -> WorkerBackend:
    """Return who makes shards in `folder`; `look` is for a process that is alone in it.

    Raises `EngineError`.
    """
    if config.engine == "ray":
        return RayBackend(config, folder)
    if config.num_proc > 1:
        return ProcessPoolBackend(config, folder)
    return InlineBackend(config, folder, look)
