"""A step on fake tensors allocates as much as the same step on real ones, both on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, PreTrainedModel

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.simulation import batch, model
from deepsynth_tui.training.simulation.fake_tensors import TrackedFakeTensors
from deepsynth_tui.training.simulation.memory_tracker import CATEGORIES, MemoryTracker
from deepsynth_tui.training.simulation.step import make_optimizer, run_step
from deepsynth_tui.training.token_loss import compute_token_loss
from tests.training.simulation.models import TEXT, architecture, configuration, simulated

SHAPE = batch.BatchShape(rows=2, length=128)


class TrackedRealTensors(TorchDispatchMode):
    """Passes the outputs of operations on real tensors to a tracker."""

    def __init__(self, tracker: MemoryTracker) -> None:
        super().__init__()
        self.tracker = tracker

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.tracker.track_output(tensor)
        return out


def real_model(model_type: str, config: TrainingConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    base: PreTrainedModel = AutoModelForCausalLM.from_config(
        architecture(model_type).config, dtype=torch.bfloat16, attn_implementation="sdpa"
    )
    trained: Any = lora.add_adapters(base, config) if config.lora.enabled else base
    if config.training.gradient_checkpointing:
        enable_gradient_checkpointing(trained)
    compute_token_loss(trained)
    return trained.train()


def track_step(
    trained: Any, config: TrainingConfig, inputs: dict[str, Any], fake: FakeTensorMode | None
) -> MemoryTracker:
    """Return the tracker of one step."""
    tracker = MemoryTracker(TEXT["vocab_size"])
    tracker.assign([*trained.parameters(), *trained.buffers(), *inputs.values()], "weights")
    with TrackedFakeTensors(fake, tracker) if fake else TrackedRealTensors(tracker):
        run_step(trained, make_optimizer(trained, config), inputs, config, tracker)
    return tracker


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("model_type", ["qwen3", "qwen3_moe"])
@pytest.mark.parametrize("enabled", [True, False], ids=["lora", "full"])
def test_a_fake_step_allocates_as_much_as_a_real_one(
    model_type: str, checkpointing: bool, enabled: bool
):
    config = configuration(checkpointing=checkpointing, lora={"enabled": enabled})
    model_config = architecture(model_type).config
    inputs = batch.text_inputs(SHAPE, model_config)
    measured = track_step(real_model(model_type, config), config, inputs, None)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    simulated = track_step(model.build_fake_model(model_config, config, fake), config, inputs, fake)
    assert simulated.peak == pytest.approx(measured.peak, rel=0.01)
    for category in CATEGORIES:
        part = measured.peak_by_category[category]
        assert simulated.peak_by_category[category] == pytest.approx(part, rel=0.02, abs=1e5), (
            category
        )


@pytest.mark.parametrize(
    ("optim", "state", "accumulation_steps", "accumulated"),
    [("adamw_torch", 8, 1, 0), ("sgd", 0, 2, 4)],
)
def test_optimizer_states_and_accumulated_gradients(
    optim: str, state: int, accumulation_steps: int, accumulated: int
):
    """Bytes per adapter weight: the optimizer's state, and gradients of the batches before."""
    training = {"optim": optim, "gradient_accumulation_steps": accumulation_steps}
    parts = simulated("llama", configuration(training=training)).by_category
    numbers = parts["adapters"] / 4
    assert parts["optimizer"] == pytest.approx(state * numbers, rel=0.03)
    assert parts["gradients"] == pytest.approx(accumulated * numbers, rel=0.03)
