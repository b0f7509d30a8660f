"""Pooling of encoder states into soft tokens."""

from __future__ import annotations

from typing import Literal

import torch

PooledToken = Literal["first", "last"]

POOLED_TOKEN: dict[str, PooledToken] = {"qwen3": "last", "bert": "first"}
"""The token whose state represents the whole text, by family, as in sentence embeddings: the last
token of a causal model, the only one that attends to all others, and [CLS] of BERT."""


def pooling_weights(
    mask: torch.Tensor, max_soft_tokens: int, pooled_token: PooledToken
) -> torch.Tensor:
    """Return the weight of each state in each soft token: (rows, `max_soft_tokens`, tokens).

    Weights of a soft token sum to 1, or to 0 if an instruction has fewer soft tokens. A single soft
    token is the state of `pooled_token`. Of several, an instruction of up to `max_soft_tokens`
    tokens has one for each token. A longer one is divided into `max_soft_tokens` segments of equal
    length, to within a token, and each gives its mean. `mask` is (rows, tokens), padded on the
    right.
    """
    lengths = mask.sum(dim=1, keepdim=True)
    positions = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    if max_soft_tokens == 1:
        position = lengths - 1 if pooled_token == "last" else torch.zeros_like(lengths)
        return (positions == position).float().unsqueeze(1)
    segments = positions * lengths.clamp(max=max_soft_tokens) // lengths
    numbers = torch.arange(max_soft_tokens, device=mask.device).view(1, max_soft_tokens, 1)
    in_segment = (segments.unsqueeze(1) == numbers) & mask.bool().unsqueeze(1)
    return in_segment / in_segment.sum(dim=2, keepdim=True).clamp(min=1)
