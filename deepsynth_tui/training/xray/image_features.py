"""How many features a model's vision tower really makes of the pages of a row.

The tower and the projector run as they do in training, on tensors without memory: only shapes
are computed, by the model's own code, and no weight is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForImageTextToText

from deepsynth_tui.training.simulation.ledger import Ledger
from deepsynth_tui.training.simulation.model import materialise
from deepsynth_tui.training.simulation.tensors import Weightless

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

TEXT_INPUTS = ("input_ids", "attention_mask", "labels")


class Uncounted(Exception):
    """The features of this architecture cannot be counted; the message says why."""


class VisionTower:
    """The vision tower and projector of a model, without weights."""

    def __init__(self, architecture: PreTrainedConfig, config: TrainingConfig) -> None:
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        with torch.device("meta"):
            self._model: PreTrainedModel = AutoModelForImageTextToText.from_config(
                architecture,
                dtype=getattr(torch, config.model.dtype),
                attn_implementation=config.model.attn_implementation,
                trust_remote_code=config.model.trust_remote_code,
            ).eval()
        with self._fake:
            materialise(self._model, dtype=self._model.dtype)
        self._vocabulary = architecture.get_text_config().vocab_size

    def features(self, inputs: Mapping[str, Any]) -> int:
        """Features that go to the language model for one row, from the inputs of that row alone:
        in a batch, some models fill up rows of fewer pages with empty ones.

        Raises:
            Uncounted: the model has no such method, or what it does depends on pixels.
        """
        pixels = {
            name: self._without_content(value)
            for name, value in inputs.items()
            if name not in TEXT_INPUTS and not name.endswith("token_type_ids")
        }
        if not pixels:
            return 0
        look: Any = getattr(self._model, "get_image_features", None)
        if look is None:
            raise Uncounted(f"{type(self._model).__name__} has no get_image_features")
        try:
            with torch.no_grad(), Weightless(self._fake, Ledger(self._vocabulary)):
                made = look(**pixels)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise Uncounted(reason) from error
        found = getattr(made, "pooler_output", made)
        return sum(one.numel() // one.shape[-1] for one in tree_leaves(found))

    def _without_content(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return value
        with self._fake:
            return torch.empty(value.shape, dtype=self._model.dtype)
