"""Resuming with a paged optimizer: its state is in buffers of its own again, with equal values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW, PagedAdamW8bit
from torch import nn

from deepsynth_tui.training.callbacks.paged_state import PAGED, restore_paged_state


@pytest.mark.parametrize(
    "optimizer_class", [PagedAdamW, PagedAdamW8bit, AdamW8bit, torch.optim.AdamW]
)
@pytest.mark.parametrize("saved_by", [0, 1])
def test_a_resumed_optimizer_has_no_plain_tensor_marked_as_paged(
    tmp_path: Path, optimizer_class: Any, saved_by: int
) -> None:
    """The marks are those of a GPU: bitsandbytes makes no paged memory on the CPU."""
    parameter = nn.Parameter(torch.randn(64, 128))

    def optimizer_after_a_step() -> Any:
        optimizer = optimizer_class([parameter])
        parameter.grad = torch.randn(64, 128)
        optimizer.step()
        return optimizer

    trained = optimizer_after_a_step()
    is_paged = optimizer_class.__name__.startswith("Paged")
    for name in ("state1", "state2") if is_paged else ():
        setattr(trained.state[parameter][name], PAGED, True)
        trained.state[parameter][name].page_deviceid = saved_by
    torch.save(trained.state_dict(), tmp_path / "optimizer.pt")

    resumed = optimizer_after_a_step()
    resumed.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    loaded = dict(resumed.state[parameter])
    assert any(getattr(value, PAGED, False) for value in loaded.values()) == is_paged
    restore_paged_state(resumed)
    values = resumed.state[parameter]
    assert not any(getattr(value, PAGED, False) for value in values.values())
    assert values.keys() == loaded.keys()
    for name, value in values.items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, loaded[name])
    resumed.step()
