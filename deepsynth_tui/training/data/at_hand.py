"""Tokenizer and processor for a look at a run before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepsynth_tui.estimate.profiles.architectures import hub_answers
from deepsynth_tui.training.model import load_reader

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.model import Reader


def reader_at_hand(config: TrainingConfig) -> Reader:
    """Tokenizer and processor from this machine, else from the Hub if it answers.

    Raises:
        TrainingError: as `load_reader`.
        OSError: they are neither here nor on the Hub.
    """
    try:
        return load_reader(config, local_files_only=True)
    except OSError:
        if not hub_answers():
            raise
    return load_reader(config, local_files_only=False)
