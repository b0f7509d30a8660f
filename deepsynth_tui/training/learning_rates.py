"""Learning rates of the parameter groups: LoRA+, and rates of single towers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from peft.optimizers import create_loraplus_optimizer

from deepsynth_tui.training.modeling.lora import tower_of_parameter
from deepsynth_tui.training.text_encoder.soft_tokens import get_text_encoder, without_text_encoder

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig


def loraplus_optimizer(
    model: PeftModel, optimizer_class: Any, options: dict[str, Any], config: TrainingConfig
) -> torch.optim.Optimizer:
    """Return the optimizer of LoRA+: matrices B learn `loraplus_lr_ratio` times as fast as A."""
    training = config.training
    assert training.loraplus_lr_ratio is not None
    return create_loraplus_optimizer(
        model,
        optimizer_class,
        loraplus_lr_ratio=training.loraplus_lr_ratio,
        loraplus_weight_decay=training.weight_decay,
        **options,
    )


def set_tower_rates(
    optimizer: torch.optim.Optimizer, model: PeftModel | PreTrainedModel, config: TrainingConfig
) -> None:
    """Give the weights of each tower that has a learning rate of its own that rate.

    The projection of a text encoder's states is new, and learns at the rate of the adapters.
    """
    for parameters, rate in _tower_rates(model, config):
        if rate is not None:
            set_learning_rate(optimizer, parameters, rate / config.training.learning_rate)


def _tower_rates(
    model: PeftModel | PreTrainedModel, config: TrainingConfig
) -> Iterator[tuple[list[torch.nn.Parameter], float | None]]:
    training = config.training
    rates = {"vision": training.vision_learning_rate, "projector": training.projector_learning_rate}
    with without_text_encoder(model):
        for tower, rate in rates.items():
            named = model.named_parameters()
            yield [p for name, p in named if tower_of_parameter(name) == tower], rate
    encoder = get_text_encoder(model)
    if encoder is not None:
        yield list(encoder.encoder.parameters()), config.text_encoder.learning_rate


def set_learning_rate(
    optimizer: torch.optim.Optimizer, parameters: Iterable[torch.nn.Parameter], factor: float
) -> None:
    """Move `parameters` into groups of their own, with `factor` times the rate of their group.

    Other options, such as weight decay, stay as they are. Call it before the scheduler is created.
    """
    moved = {id(parameter) for parameter in parameters}
    for group in list(optimizer.param_groups):
        own = [parameter for parameter in group["params"] if id(parameter) in moved]
        if own:
            group["params"] = [p for p in group["params"] if id(p) not in moved]
            options = {name: value for name, value in group.items() if name != "params"}
            optimizer.add_param_group({**options, "params": own, "lr": factor * group["lr"]})
