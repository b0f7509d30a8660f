"""Activations that are computed twice instead of kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def checkpoint_activations(model: PeftModel | PreTrainedModel) -> None:
    """Keep only the input of each layer for the backward pass, and only where something learns.

    transformers also makes the outputs of all embeddings require gradients, for the sake of
    re-entrant checkpointing, which this is not: a frozen vision tower would then be recomputed and
    differentiated in every step for nothing.
    """
    model.activation_checkpointing_enable({"use_reentrant": False})
    model.disable_input_require_grads()
