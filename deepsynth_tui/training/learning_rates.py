"""A learning rate of its own for the text encoder: parameter groups of the optimizer."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def set_learning_rate(
    optimizer: torch.optim.Optimizer, parameters: Iterable[torch.nn.Parameter], rate: float
) -> None:
    """Move `parameters` into groups of their own, with this peak learning rate.

    Other options, such as weight decay, stay as they are. Call it before the scheduler is created.
    """
    moved = {id(parameter) for parameter in parameters}
    for group in list(optimizer.param_groups):
        own = [parameter for parameter in group["params"] if id(parameter) in moved]
        if own:
            group["params"] = [p for p in group["params"] if id(p) not in moved]
            options = {name: value for name, value in group.items() if name != "params"}
            optimizer.add_param_group({**options, "params": own, "lr": rate})
