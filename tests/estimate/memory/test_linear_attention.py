"""Linear attention saves what the formula says, measured on the layer of Qwen3.5 on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5TextConfig
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5GatedDeltaNet

from deepsynth_tui.estimate.memory.linear_attention import linear_attention_bytes
from deepsynth_tui.models.dimensions import text_dimensions
from tests.estimate.storages import SavedTensors

REPEATED_KEYS: dict[str, Any] = {"linear_num_key_heads": 4, "linear_num_value_heads": 8}
EQUAL_HEADS: dict[str, Any] = {"linear_num_key_heads": 4, "linear_num_value_heads": 4}


def saved_bytes(
    heads: dict[str, Any], rows: int, length: int, *, autocast: bool, full: bool
) -> tuple[int, int]:
    """Return the bytes that a layer saves: measured, and by the formula."""
    config: Any = Qwen3_5TextConfig(
        hidden_size=80,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        linear_key_head_dim=32,
        linear_value_head_dim=24,
        vocab_size=64,
        **heads,
    )
    layer = Qwen3_5GatedDeltaNet(config, 0).to(torch.bfloat16).requires_grad_(full)
    hidden = torch.randn(rows, length, 80, dtype=torch.bfloat16, requires_grad=True)
    saved = SavedTensors([*layer.parameters(), hidden])
    with saved, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        layer(hidden)
    computed = linear_attention_bytes(
        text_dimensions(config), rows, length, autocast=autocast, trains_weights=full
    )
    return saved.total, computed


@pytest.mark.parametrize("full", [False, True], ids=["frozen", "trained"])
@pytest.mark.parametrize("autocast", [True, False], ids=["autocast", "bfloat16"])
@pytest.mark.parametrize("heads", [REPEATED_KEYS, EQUAL_HEADS], ids=["repeated", "equal"])
@pytest.mark.parametrize(("rows", "length"), [(1, 1024), (1, 1000), (3, 512)])
def test_saved_bytes_match_the_formula(
    rows: int, length: int, heads: dict[str, Any], autocast: bool, full: bool
) -> None:
    measured, computed = saved_bytes(heads, rows, length, autocast=autocast, full=full)
    assert computed == pytest.approx(measured, rel=0.015)
