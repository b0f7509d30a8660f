"""Gradient checkpointing changes memory, not gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import configuration


def step(values: dict[str, Any], *, checkpointed: bool) -> tuple[dict[str, torch.Tensor], bool]:
    """Return the gradients of one batch, and whether the frozen vision tower required them."""
    config = configuration(values)
    base = load_model_and_processor(config)
    rows = load_split(config, images=True).train
    batch = Collator(base, config)([rows[0], rows[1]])
    batch.pop(ROW_IDS)
    torch.manual_seed(0)
    model = lora.add_adapters(base.model, config)
    if checkpointed:
        enable_gradient_checkpointing(model)
    tower_requires_grad: list[bool] = []
    tower: nn.Module = next(
        module for name, module in model.named_modules() if name.endswith("vision_model.encoder")
    )
    tower.register_forward_hook(lambda *args: tower_requires_grad.append(args[-1][0].requires_grad))
    model.train()(**batch).loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients, any(tower_requires_grad)


def test_gradients_are_the_same_and_a_frozen_tower_has_none(values: dict[str, Any]):
    kept, _ = step(values, checkpointed=False)
    recomputed, tower_learns = step(values, checkpointed=True)
    assert kept
    assert kept.keys() == recomputed.keys()
    for name, gradient in kept.items():
        torch.testing.assert_close(recomputed[name], gradient)
    assert not tower_learns
