"""Gradient checkpointing changes memory, not gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import configuration


def step(values: dict[str, Any], *, every: int | None) -> tuple[dict[str, torch.Tensor], bool]:
    """Return the gradients of one batch, and whether the frozen vision tower required them.

    Every `every`-th layer is recomputed, None: no layer.
    """
    config = configuration(values)
    base = load_model_and_processor(config)
    rows = load_split(config, images=True).train
    batch = Collator(base, config)([rows[0], rows[1]])
    batch.pop(ROW_IDS)
    torch.manual_seed(0)
    model = lora.add_adapters(base.model, config)
    if every is not None:
        enable_gradient_checkpointing(model, every)
    tower_requires_grad: list[bool] = []
    tower: nn.Module = next(
        module for name, module in model.named_modules() if name.endswith("vision_model.encoder")
    )
    tower.register_forward_hook(lambda *args: tower_requires_grad.append(args[-1][0].requires_grad))
    model.train()(**batch).loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients, any(tower_requires_grad)


@pytest.mark.parametrize("every", [1, 2])
def test_gradients_are_the_same_and_a_frozen_tower_has_none(values: dict[str, Any], every: int):
    kept, _ = step(values, every=None)
    recomputed, tower_learns = step(values, every=every)
    assert kept
    assert kept.keys() == recomputed.keys()
    for name, gradient in kept.items():
        torch.testing.assert_close(recomputed[name], gradient)
    assert not tower_learns
