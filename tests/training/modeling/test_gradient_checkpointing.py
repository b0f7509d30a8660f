"""Gradient checkpointing changes memory, not gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import modeling_utils

from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import configuration


def step(
    values: dict[str, Any], *, every: int | None, offload: bool = False
) -> tuple[dict[str, torch.Tensor], bool]:
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
        enable_gradient_checkpointing(model, every, offload=offload)
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


def test_offloaded_inputs_give_the_same_gradients(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    copied: list[int] = []

    class Counted(torch.autograd.graph.save_on_cpu):
        def __init__(self, **options: Any) -> None:
            assert options["pin_memory"]  # which only an accelerator can
            super().__init__(pin_memory=False)
            pack = self.pack_hook
            self.pack_hook = lambda tensor: (copied.append(tensor.nbytes), pack(tensor))[1]

    recomputed, _ = step(values, every=1)
    monkeypatch.setattr(modeling_utils, "save_on_cpu", Counted)
    offloaded, tower_learns = step(values, every=1, offload=True)
    assert len(copied) >= 2  # the inputs of both layers of the language model
    assert offloaded.keys() == recomputed.keys()
    for name, gradient in recomputed.items():
        assert torch.equal(offloaded[name], gradient), name
    assert not tower_learns
