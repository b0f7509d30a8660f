"""The number of image features that a model's vision tower returns for the pages of a row.

Vision tower and projector run as in training, but on fake tensors: the model's own code computes
only shapes, and no weights are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForImageTextToText

from deepsynth_tui.training.simulation.fake_tensors import TrackedFakeTensors
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker
from deepsynth_tui.training.simulation.model import fake_meta_tensors, simulated_attention

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

TEXT_INPUTS = ("input_ids", "attention_mask", "labels")


class FeatureCountError(Exception):
    """The image features of this architecture cannot be counted; the message says why."""


class VisionTower:
    """The vision tower and projector of a model, without weights."""

    def __init__(self, model_config: PreTrainedConfig, config: TrainingConfig) -> None:
        self._fake_mode = FakeTensorMode(allow_non_fake_inputs=True)
        with torch.device("meta"):
            self._model: PreTrainedModel = AutoModelForImageTextToText.from_config(
                model_config,
                dtype=getattr(torch, config.model.dtype),
                attn_implementation=simulated_attention(config),
                trust_remote_code=config.model.trust_remote_code,
            ).eval()
        with self._fake_mode:
            fake_meta_tensors(self._model, dtype=self._model.dtype)
        self._vocab_size = model_config.get_text_config().vocab_size

    def count_features(self, inputs: Mapping[str, Any]) -> int:
        """Return the features that the language model gets for the inputs of a single row.

        In a batch, some models pad rows of fewer pages with empty pages.

        Raises:
            FeatureCountError: the model has no `get_image_features`, or its result depends on the
                values of pixels.
        """
        pixel_inputs = {
            name: self._to_fake(value)
            for name, value in inputs.items()
            if name not in TEXT_INPUTS and not name.endswith("token_type_ids")
        }
        if not pixel_inputs:
            return 0
        get_image_features: Any = getattr(self._model, "get_image_features", None)
        if get_image_features is None:
            raise FeatureCountError(f"{type(self._model).__name__} has no get_image_features")
        tracker = MemoryTracker(self._vocab_size)
        try:
            with torch.no_grad(), TrackedFakeTensors(self._fake_mode, tracker):
                outputs = get_image_features(**pixel_inputs)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise FeatureCountError(reason) from error
        features = getattr(outputs, "pooler_output", outputs)
        return sum(tensor.numel() // tensor.shape[-1] for tensor in tree_leaves(features))

    def _to_fake(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return value
        with self._fake_mode:
            return torch.empty(value.shape, dtype=self._model.dtype)
