"""SDPA for packed rows: each row in a call of its own.

The mask that transformers makes for packed rows has all pairs of their tokens, and SDPA computes
those between different rows as well: four times the attention of four rows. A row alone needs no
mask, so the causal kernels are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROW_ATTENTION = "sdpa_by_row"
"""Name among the attention implementations of transformers."""

_row_lengths: ContextVar[list[int] | None] = ContextVar("row_lengths", default=None)


@dataclass(frozen=True, slots=True)
class RowMasks:
    """What takes the place of an attention mask for packed rows: the mask of each row.

    None stands for a causal mask. Layers get it as an argument, so gradient checkpointing keeps it.
    """

    lengths: list[int]
    masks: list[torch.Tensor | None]


@contextmanager
def attention_by_row(lengths: list[int]) -> Iterator[None]:
    """Take the tokens of forward passes within the block for packed rows of these lengths."""
    token = _row_lengths.set(lengths)
    try:
        yield
    finally:
        _row_lengths.reset(token)


def use_row_attention(model: PreTrainedModel) -> None:
    """Let the language model attend to packed rows one by one, if its attention is SDPA."""
    text = model.config.get_text_config()
    if text._attn_implementation == "sdpa":
        AttentionInterface.register(ROW_ATTENTION, _attend)
        AttentionMaskInterface.register(ROW_ATTENTION, _make_masks)
        text._attn_implementation = ROW_ATTENTION


def _make_masks(*, q_length: int, kv_length: int, **options: Any) -> Any:
    """Return `RowMasks` for packed rows, and what SDPA gets for all other batches.

    Raises:
        NotImplementedError: the model has a mask function of its own. transformers gives it
            positions in a row, while its arguments are of all rows (Gemma 3).
    """
    lengths = _row_lengths.get()
    if lengths is None or not q_length == kv_length == sum(lengths):
        return sdpa_mask(q_length=q_length, kv_length=kv_length, **options)
    if options.get("use_vmap"):  # set for the mask functions of models
        raise NotImplementedError("its attention mask depends on more than the order of tokens")
    masks: list[torch.Tensor | None] = []
    start = 0
    for length in lengths:
        shape: dict[str, Any] = {
            "q_length": length,
            "kv_length": length,
            "q_offset": start,
            "kv_offset": start,
        }
        mask = sdpa_mask(**{**options, **shape, "allow_is_causal_skip": False})
        assert mask is not None
        masks.append(None if torch.equal(mask, mask.new_ones(mask.shape).tril()) else mask)
        start += length
    return RowMasks(lengths, masks)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: RowMasks | torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention outputs, (batch, tokens, heads, width); the others have the heads first.

    Batches that are not packed have an ordinary mask.
    """
    if not isinstance(attention_mask, RowMasks):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    rows = zip(
        *(tensor.split(attention_mask.lengths, dim=2) for tensor in (query, key, value)),
        attention_mask.masks,
        strict=True,
    )
    return torch.cat([sdpa_attention_forward(module, *row, **options)[0] for row in rows], 1), None
