"""Gradient checkpointing: activations that are recomputed instead of kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def enable_gradient_checkpointing(
    model: PeftModel | PreTrainedModel, every_n_layers: int = 1, *, offload: bool = False
) -> None:
    """Keep only the input of every n-th layer for the backward pass, if it needs gradients.

    With `offload`, which needs a GPU, these inputs are in pinned main memory until then.

    transformers also makes all embedding outputs require gradients, because re-entrant
    checkpointing needs that. This is non-re-entrant checkpointing, so that is undone: it would
    recompute and differentiate a frozen vision tower in every step.
    """
    model.activation_checkpointing_enable(
        {"use_reentrant": False}, every_n_layers=every_n_layers, offload=offload
    )
    model.disable_input_require_grads()
