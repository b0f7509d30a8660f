"""Places for soft tokens in the decoder's sequence.

A place holds the id of an ordinary token, so that every architecture counts its positions, masks
and image tokens as it always does; what the id would have meant is replaced at the embedding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch

ROOM = "soft_tokens"  # of a batch: which places are for soft tokens, as 0 and 1 (rows, tokens)


def is_per_token(name: str) -> bool:
    """Whether an input has one value for each token, 0 for text, beside its id and mask."""
    return name.endswith("token_type_ids") or name == ROOM


def make_room(
    inputs: Mapping[str, torch.Tensor],
    counts: Sequence[int],
    *,
    filler: int,
    starts: Collection[int],
    pad_left: bool,
) -> dict[str, torch.Tensor]:
    """Return padded inputs with `counts` places more in each row, and `ROOM`.

    The places hold `filler` and lie before everything else but one of the tokens `starts`, which
    models expect first. `inputs` has `input_ids` and `attention_mask`, (rows, tokens); tensors
    that are not one value per token come back as they are.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
    rows = [ids[i][mask[i]] for i in range(len(counts))]
    begins = [int(len(row) > 0 and int(row[0]) in starts) for row in rows]

    def filled(values: torch.Tensor, room: int, padding: int) -> torch.Tensor:
        longer = []
        for i, count in enumerate(counts):
            row, begin = values[i][mask[i]], begins[i]
            places = row.new_full((count,), room)
            longer.append(torch.cat([row[:begin], places, row[begin:]]))
        return _pad(longer, padding, left=pad_left)

    return {
        **inputs,
        **{name: filled(inputs[name], 0, 0) for name in inputs if is_per_token(name)},
        "input_ids": filled(ids, filler, filler),
        "attention_mask": filled(inputs["attention_mask"], 1, 0),
        ROOM: filled(torch.zeros_like(ids), 1, 0),
    }


def _pad(rows: Sequence[torch.Tensor], value: int, *, left: bool) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        list(rows),
        batch_first=True,
        padding_value=value,
        padding_side="left" if left else "right",
    )
