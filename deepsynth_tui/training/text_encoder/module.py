"""The encoder with its projection to the decoder's width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from deepsynth_tui.training.text_encoder.pooling import Pooled, shares

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Waiting:
    """Inputs of the encoder, and where in the decoder's sequence its soft tokens belong.

    `ids` and `mask` are (rows, tokens of the longest instruction), padded on the right; `room` is
    boolean, (rows, tokens of the decoder).
    """

    ids: torch.Tensor
    mask: torch.Tensor
    room: torch.Tensor


class TextEncoder(nn.Module):
    """Makes soft tokens of instructions.

    States are normalised to mean 0 and variance 1 before the projection, so that soft tokens
    begin with a scale that does not depend on the encoder: a root mean square of `scale`, that of
    the decoder's own embeddings. The projection is float32 whatever the encoder is. `commit` is
    the Hub commit of the encoder, None for a folder. `waiting` is what it reads next.
    """

    def __init__(
        self,
        encoder: PreTrainedModel | PeftModel,
        *,
        width: int,
        scale: float,
        most: int,
        pooled: Pooled,
        commit: str | None,
    ) -> None:
        super().__init__()
        hidden = encoder.config.hidden_size
        self.encoder = encoder
        self.projection = nn.Linear(hidden, width, dtype=torch.float32)
        nn.init.normal_(self.projection.weight, std=scale * hidden**-0.5)
        nn.init.zeros_(self.projection.bias)
        self.most = most
        self.pooled: Pooled = pooled
        self.commit = commit
        self.waiting: Waiting | None = None
        self.learns = any(parameter.requires_grad for parameter in encoder.parameters())

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Soft tokens of all rows in their order, float32 unless autocast: (soft tokens, width).

        `ids` and `mask` are (rows, tokens), padded on the right. A frozen encoder keeps no graph.
        """
        with torch.set_grad_enabled(self.learns and torch.is_grad_enabled()):
            read = self.encoder(input_ids=ids, attention_mask=mask, use_cache=False)
        share = shares(mask, self.most, self.pooled)
        pooled = torch.bmm(share, read.last_hidden_state.float())
        normal = nn.functional.layer_norm(pooled, pooled.shape[-1:])
        return self.projection(normal[share.any(dim=2)])

    def train(self, mode: bool = True) -> TextEncoder:
        """Switch to training; a frozen encoder goes on without dropout."""
        super().train(mode)
        if not self.learns:
            self.encoder.eval()
        return self
