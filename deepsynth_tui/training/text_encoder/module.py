"""The text encoder with its projection to the width of the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from deepsynth_tui.training.text_encoder.pooling import PooledToken, pooling_weights

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class PendingEncoderInput:
    """Inputs of the encoder until the decoder embeds its tokens, and where soft tokens belong.

    `ids` and `mask` are (rows, tokens of the longest instruction), padded on the right.
    `soft_token_mask` is boolean, (rows, tokens of the decoder).
    """

    ids: torch.Tensor
    mask: torch.Tensor
    soft_token_mask: torch.Tensor


class TextEncoder(nn.Module):
    """Turns instructions into soft tokens.

    States are normalized to mean 0 and variance 1 before the projection. At the start soft tokens
    therefore have a root mean square of `scale`, that of the decoder's own embeddings, whatever the
    encoder. The projection is always float32. `commit` is the Hub commit of the encoder, None for a
    folder. `pending` is its input for the next forward pass of the decoder.
    """

    def __init__(
        self,
        encoder: PreTrainedModel | PeftModel,
        *,
        width: int,
        scale: float,
        max_soft_tokens: int,
        pooled_token: PooledToken,
        commit: str | None,
    ) -> None:
        super().__init__()
        hidden_size = encoder.config.hidden_size
        self.encoder = encoder
        self.projection = nn.Linear(hidden_size, width, dtype=torch.float32)
        nn.init.normal_(self.projection.weight, std=scale * hidden_size**-0.5)
        nn.init.zeros_(self.projection.bias)
        self.max_soft_tokens = max_soft_tokens
        self.pooled_token: PooledToken = pooled_token
        self.commit = commit
        self.pending: PendingEncoderInput | None = None
        self.is_trained = any(parameter.requires_grad for parameter in encoder.parameters())

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the soft tokens of all rows in order, (soft tokens, width).

        They are float32 unless autocast. `ids` and `mask` are (rows, tokens), padded on the right.
        A frozen encoder keeps no graph.
        """
        with torch.set_grad_enabled(self.is_trained and torch.is_grad_enabled()):
            outputs = self.encoder(input_ids=ids, attention_mask=mask, use_cache=False)
        weights = pooling_weights(mask, self.max_soft_tokens, self.pooled_token)
        pooled = torch.bmm(weights, outputs.last_hidden_state.float())
        normalized = nn.functional.layer_norm(pooled, pooled.shape[-1:])
        return self.projection(normalized[weights.any(dim=2)])

    def train(self, mode: bool = True) -> TextEncoder:
        """Set training mode; a frozen encoder stays in evaluation mode, without dropout."""
        super().train(mode)
        if not self.is_trained:
            self.encoder.eval()
        return self
