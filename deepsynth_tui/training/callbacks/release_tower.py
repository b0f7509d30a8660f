"""Take the vision tower from the GPU once training begins, if all pages have features."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.training.features.cache import PageFeatureCache

log = logging.getLogger(__name__)


class ReleaseTowerCallback(TrainerCallback):
    """Releases the tower after the trainer has moved the model to the GPU and wrapped it."""

    def __init__(self, features: PageFeatureCache) -> None:
        self._features = features

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Move the weights of the tower to main memory."""
        freed = self._features.release_tower()
        if freed:
            log.info("%s of the vision tower leave the GPU", format_bytes(freed))
