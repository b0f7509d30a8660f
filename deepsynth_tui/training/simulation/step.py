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
    from deepsynth_tui.training.simulation.ledger import Ledger


def take_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, Any],
    config: TrainingConfig,
    ledger: Ledger,
) -> None:
    """Go through a step whose optimizer state is there already, as from the second step on."""
    training = config.training
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    ledger.assign((p.grad for p in trained if p.grad is not None), "gradients")
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values()]
    ledger.assign((value for value in states if isinstance(value, torch.Tensor)), "optimizer")
    if training.gradient_accumulation_steps == 1:
        optimizer.zero_grad(set_to_none=True)
    ledger.start()
    loss = _loss(model, batch, config)
    _backward(loss)
    ledger.assign((p.grad for p in trained if p.grad is not None), "gradients")
    if training.max_grad_norm > 0:
        torch.nn.utils.clip_grad_norm_(trained, training.max_grad_norm, foreach=True)
    ledger.trace.updates()
    optimizer.step()


def _loss(model: nn.Module, batch: dict[str, Any], config: TrainingConfig) -> torch.Tensor:
    """`Accelerator.prepare_model` wraps the forward in autocast and widens its outputs."""
    training = config.training
    half = torch.bfloat16 if training.bf16 else torch.float16
    mixed = training.bf16 or training.fp16
    count = (batch["labels"] != -100).sum()
    forward = model.forward
    if mixed:
        forward = convert_outputs_to_fp32(torch.autocast("cpu", dtype=half)(forward))
    outputs: Any = forward(**batch, num_items_in_batch=count)
    return outputs["loss"]


def _backward(loss: torch.Tensor) -> None:
    """`loss.backward()`, whose call would suspend the mode that chooses kernels while it runs."""
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
    """The optimizer that the `Trainer` makes on CUDA: all tensors at once where it can."""
    if config.training.optim == "muon":
        return Muon(model, learning_rate=config.training.learning_rate, weight_decay=0.0)
    arguments = TrainingArguments(
        optim=config.training.optim.removeprefix("paged_"), use_cpu=True, report_to="none"
    )
    kind, given = Trainer.get_optimizer_cls_and_kwargs(arguments)
    if config.training.optim in ("adamw_torch", "sgd"):
        given = given | {"foreach": True}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return kind(trained, **given)
