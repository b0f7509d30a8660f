"""Placeholders for soft tokens in the decoder's sequence.

A placeholder has the id of an ordinary token, so that every architecture counts positions, masks
and image tokens as usual. The embedding of that id is replaced by a soft token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch

SOFT_TOKEN_MASK = "soft_tokens"  # key of a batch: 1 at placeholders, else 0; (rows, tokens)


def is_per_token(name: str) -> bool:
    """Return whether an input other than ids and mask has one value per token, 0 for text."""
    return name.endswith("token_type_ids") or name == SOFT_TOKEN_MASK


def insert_placeholders(
    inputs: Mapping[str, torch.Tensor],
    counts: Sequence[int],
    *,
    placeholder_id: int,
    bos_token_ids: Collection[int],
    pad_left: bool,
) -> dict[str, torch.Tensor]:
    """Insert `counts` placeholders into the rows of padded inputs, and add `SOFT_TOKEN_MASK`.

    Placeholders have `placeholder_id` and come first, but after a start token (`bos_token_ids`),
    which models expect first. `inputs` has `input_ids` and `attention_mask`, (rows, tokens). Inputs
    without one value per token are returned unchanged.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
    rows = [ids[i][mask[i]] for i in range(len(counts))]
    starts = [int(len(row) > 0 and int(row[0]) in bos_token_ids) for row in rows]

    def extend(values: torch.Tensor, placeholder: int, padding: int) -> torch.Tensor:
        extended = []
        for i, count in enumerate(counts):
            row, start = values[i][mask[i]], starts[i]
            placeholders = row.new_full((count,), placeholder)
            extended.append(torch.cat([row[:start], placeholders, row[start:]]))
        return _pad(extended, padding, left=pad_left)

    return {
        **inputs,
        **{name: extend(inputs[name], 0, 0) for name in inputs if is_per_token(name)},
        "input_ids": extend(ids, placeholder_id, placeholder_id),
        "attention_mask": extend(inputs["attention_mask"], 1, 0),
        SOFT_TOKEN_MASK: extend(torch.zeros_like(ids), 1, 0),
    }


def _pad(rows: Sequence[torch.Tensor], value: int, *, left: bool) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        list(rows),
        batch_first=True,
        padding_value=value,
        padding_side="left" if left else "right",
    )
