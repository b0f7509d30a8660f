"""Whether training diverged: it left a model that is worse than the one it began with."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deepsynth_tui.training.failures import TrainingError

RISE_FACTOR = 2.0
RISE_NATS = 1.0
"""A loss that ends above the first one by this factor and by so much has diverged."""
LAST_LOSSES = 3  # whose smallest counts: a single hard batch is no divergence


def check_divergence(
    losses: Sequence[float], logits: torch.Tensor, *, learning_rate: float, uses_lora: bool
) -> None:
    """Check the training losses in their order, and the logits of the trained model.

    Raises:
        TrainingError: training diverged.
    """
    reason = divergence(losses, logits)
    if reason is None:
        return
    usual = "1e-4 to 5e-4 are usual for LoRA" if uses_lora else "1e-5 to 5e-5 are usual"
    raise TrainingError(
        f"Training diverged: {reason}",
        f"training.learning_rate {learning_rate:g} is probably too high: {usual}. "
        "`train CONFIG --retry --set training.learning_rate=...` starts a run with another one; "
        "a longer training.warmup_steps or a lower training.max_grad_norm help too.",
        "training.learning_rate",
    )


def divergence(losses: Sequence[float], logits: torch.Tensor) -> str | None:
    """Return what shows that training diverged, None if nothing does.

    `logits` are (tokens, vocabulary).
    """
    if not torch.isfinite(logits).all():
        return "the trained model computes infinite or undefined logits"
    if torch.equal(logits.amax(dim=-1), logits.amin(dim=-1)):
        return "the trained model gives every token the same probability"
    if losses:
        first, last = losses[0], min(losses[-LAST_LOSSES:])
        if last > RISE_FACTOR * first and last > first + RISE_NATS:
            return f"the loss rose from {first:.3f} to {last:.3f}"
    return None
