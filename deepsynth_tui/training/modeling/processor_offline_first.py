"""Tokenizer and processor for a look at a run before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepsynth_tui.models.hub_config import hub_is_reachable
from deepsynth_tui.training.modeling.load import load_reader

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.modeling.load import Reader


def load_processor_offline_first(config: TrainingConfig) -> Reader:
    """Tokenizer and processor from this machine, else from the Hub if it answers.

    Raises:
        TrainingError: as `load_reader`.
        OSError: they are neither here nor on the Hub.
    """
    try:
        return load_reader(config, local_files_only=True)
    except OSError:
        if not hub_is_reachable():
            raise
    return load_reader(config, local_files_only=False)
