"""Which states of the encoder a soft token is made of."""

from __future__ import annotations

from typing import Literal

import torch

Pooled = Literal["first", "last"]

POOLED: dict[str, Pooled] = {"qwen3": "last", "bert": "first"}
"""The token whose state stands for the whole text, as sentence embeddings of each family have it:
the last of a causal model, which alone has read everything, and [CLS]."""


def shares(mask: torch.Tensor, most: int, pooled: Pooled) -> torch.Tensor:
    """Share of each state in each soft token: (rows, `most`, tokens), each row of it adding up to
    1, or to 0 where an instruction has fewer soft tokens than `most`.

    A single soft token is the `pooled` state. Of several, an instruction of no more tokens than
    `most` has one for each; a longer one is divided into `most` stretches of equal length, to
    within a token, and each gives its mean. `mask` is (rows, tokens), padded on the right.
    """
    lengths = mask.sum(dim=1, keepdim=True)
    places = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    if most == 1:
        chosen = places == (lengths - 1 if pooled == "last" else torch.zeros_like(lengths))
        return chosen.float().unsqueeze(1)
    stretch = places * lengths.clamp(max=most) // lengths
    numbers = torch.arange(most, device=mask.device).view(1, most, 1)
    inside = (stretch.unsqueeze(1) == numbers) & mask.bool().unsqueeze(1)
    return inside / inside.sum(dim=2, keepdim=True).clamp(min=1)
