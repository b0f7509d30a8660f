"""Activations of a layer of linear attention: the gated delta rule of Qwen3.5.

Coefficients are bytes per token and unit of width of the tensors that autograd saves in
transformers 5.24 (``models/qwen3_5/modeling_qwen3_5.py``, `torch_chunk_gated_delta_rule`), counted
as those of `activations`. The kernels of flash-linear-attention recompute most of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.models.layout import TextDimensions

CHUNK = 64
"""Tokens of a chunk; every row is padded to whole chunks."""


@dataclass(frozen=True, slots=True)
class _Coefficients:
    """Bytes by width: queries and keys, values, pairs of tokens in a chunk, states of chunks."""

    queries: int
    values: int
    pairs: int
    states: int


# Autocast casts the inputs of every product of a chunk; without it all are float32.
SAVED = {True: _Coefficients(38, 26, 14, 8), False: _Coefficients(32, 26, 20, 4)}
CONVOLUTION = 4  # input of the convolution and of its activation
GATES = 34  # per value head: decays, gates and the inverse norms of queries and keys
OUTPUT = 4  # if weights are trained: inputs of the output projection and of its norm's weight


def linear_attention_bytes(
    text: TextDimensions, rows: int, length: int, *, autocast: bool, trains_weights: bool
) -> int:
    """Bytes that the attention of a layer saves for backward, without norm and adapters."""
    per_token = SAVED[autocast]
    queries = text.linear_value_heads * text.linear_key_dim  # keys are repeated for value heads
    values = text.linear_value_heads * text.linear_value_dim
    channels = 2 * text.linear_key_heads * text.linear_key_dim + values
    states = queries * text.linear_value_dim // CHUNK
    width = (
        per_token.queries * queries
        + per_token.values * values
        + per_token.pairs * CHUNK * text.linear_value_heads
        + per_token.states * states
        + GATES * text.linear_value_heads
    )
    if trains_weights:
        width += OUTPUT * values
    padded = math.ceil(length / CHUNK) * CHUNK
    return rows * (padded * width + length * CONVOLUTION * channels)
