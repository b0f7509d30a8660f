"""Padded rows to one sequence of all their tokens."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.training.text_encoder.placeholders import is_per_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class PackedRows:
    """The rows of a batch as one sequence. `lengths` are their tokens, padding excluded.

    `inputs` are arguments of the model, without an attention mask: position ids begin anew with
    each row.
    """

    inputs: dict[str, Any]
    lengths: list[int]


def has_padding(inputs: Mapping[str, Any]) -> bool:
    """Return whether rows of a batch are padded."""
    return not bool(inputs["attention_mask"].all())


def pack_rows(model: PreTrainedModel, inputs: Mapping[str, Any]) -> PackedRows:
    """Return the rows of padded `inputs`, which are (rows, tokens), as one sequence.

    Pixels, and features in place of them, are in the order of the rows already.
    """
    mask = inputs["attention_mask"].bool()
    packed = {name: value for name, value in inputs.items() if name != "attention_mask"}
    for name in packed:
        if name == "input_ids" or is_per_token(name):
            packed[name] = packed[name][mask].unsqueeze(0)
    return PackedRows(
        {**packed, "position_ids": _position_ids(model, inputs)[..., mask].unsqueeze(-2)},
        mask.sum(dim=1).tolist(),
    )


def _position_ids(model: PreTrainedModel, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return the position of each token in its row, (rows, tokens).

    With M-RoPE these are (4, rows, tokens): that position, of which transformers makes the mask,
    then time, height and width.
    """
    mask = inputs["attention_mask"]
    positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
    compute_mrope = getattr(model.base_model, "compute_3d_position_ids", None)
    if compute_mrope is None:
        return positions
    names = inspect.signature(compute_mrope).parameters
    mrope = compute_mrope(**{name: inputs.get(name) for name in names})
    if mrope is None:  # no row has a page
        mrope = positions.expand(3, -1, -1)
    return torch.cat([positions.unsqueeze(0), mrope.to(positions)])
