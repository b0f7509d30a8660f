"""One optimizer step, in the order and with the wrappers of transformers' `Trainer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import convert_outputs_to_fp32
from transformers import Trainer, TrainingArguments

from deepsynth_tui.training.muon import Muon

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker


def run_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, Any],
    config: TrainingConfig,
    tracker: MemoryTracker,
) -> None:
    """Run a step with existing optimizer states, like the second and later steps of a run."""
    training = config.training
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.grad = torch.zeros_like(parameter)
    tracker.assign((p.grad for p in trainable if p.grad is not None), "gradients")
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values()]
    tracker.assign((value for value in states if isinstance(value, torch.Tensor)), "optimizer")
    if training.gradient_accumulation_steps == 1:
        optimizer.zero_grad(set_to_none=True)
    tracker.start_step()
    loss = _loss(model, batch, config)
    backward(loss)
    tracker.assign((p.grad for p in trainable if p.grad is not None), "gradients")
    if training.max_grad_norm > 0:
        torch.nn.utils.clip_grad_norm_(trainable, training.max_grad_norm, foreach=True)
    tracker.trace.start_optimizer_step()
    optimizer.step()


def _loss(model: nn.Module, batch: dict[str, Any], config: TrainingConfig) -> torch.Tensor:
    """Compute the loss with autocast and float32 outputs, as `Accelerator.prepare_model` does."""
    training = config.training
    dtype = torch.bfloat16 if training.bf16 else torch.float16
    forward = model.forward
    if training.bf16 or training.fp16:
        forward = convert_outputs_to_fp32(torch.autocast("cpu", dtype=dtype)(forward))
    num_items = (batch["labels"] != -100).sum()
    outputs: Any = forward(**batch, num_items_in_batch=num_items)
    return outputs["loss"]


def backward(loss: torch.Tensor) -> None:
    """Run `loss.backward()`; calling that would suspend `CudaEmulation` while it runs."""
    torch.autograd.graph._engine_run_backward(
        (loss,),
        (torch.ones_like(loss),),
        False,
        False,
        (),
        allow_unreachable=True,
        accumulate_grad=True,
    )


def make_optimizer(
    model: PeftModel | PreTrainedModel, config: TrainingConfig
) -> torch.optim.Optimizer:
    """Create the optimizer of the `Trainer` on CUDA, which has foreach where possible."""
    if config.training.optim == "muon":
        return Muon(model, learning_rate=config.training.learning_rate, weight_decay=0.0)
    arguments = TrainingArguments(
        optim=config.training.optim.removeprefix("paged_"), use_cpu=True, report_to="none"
    )
    optimizer_class, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    if config.training.optim in ("adamw_torch", "sgd"):
        options = options | {"foreach": True}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return optimizer_class(trainable, **options)
