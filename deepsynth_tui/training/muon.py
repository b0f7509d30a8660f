"""Muon for the weight matrices of a model, AdamW for its other parameters and its vocabulary.

Muon orthogonalises the update of a matrix. At the start of the training of `builtin:tiny-vlm`,
Muon (learning rate 4e-3) reached 2.97 nats per character in 100 steps, AdamW (1e-3) in 175.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import nn


class Muon(torch.optim.Optimizer):
    """`torch.optim.Muon` and AdamW as one optimizer that transformers can schedule and save."""

    def __init__(self, model: nn.Module, *, learning_rate: float, weight_decay: float) -> None:
        """Optimize all parameters of `model` that require gradients."""
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        vocabulary = vocabulary_weight_ids(model)
        matrices = [p for p in trainable if p.ndim == 2 and id(p) not in vocabulary]
        matrix_ids = {id(parameter) for parameter in matrices}
        others = [parameter for parameter in trainable if id(parameter) not in matrix_ids]
        super().__init__(trainable, {"lr": learning_rate})
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(
                torch.optim.Muon(
                    matrices,
                    lr=learning_rate,
                    weight_decay=weight_decay,
                    # Updates as large as those of AdamW: one learning rate suits both.
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        if others:
            # No weight decay on vectors and embeddings.
            self.parts.append(torch.optim.AdamW(others, lr=learning_rate, weight_decay=0.0))
        self._link_groups_and_state()

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update all parameters; return the loss of `closure`, which computes the gradients."""
        loss = closure() if closure else None
        for part in self.parts:
            part.step()
        self._link_groups_and_state()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state dicts of both optimizers."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._link_groups_and_state()

    def _link_groups_and_state(self) -> None:
        """Expose the parameter groups, where a scheduler sets the rate, and states of both."""
        self.param_groups = list(chain.from_iterable(part.param_groups for part in self.parts))
        # A copy: `state` is a defaultdict, and looking up a missing parameter would add it.
        states = chain.from_iterable(part.state.items() for part in self.parts)
        self.state = defaultdict(dict, states)


def vocabulary_weight_ids(model: nn.Module) -> set[int]:
    """Return the `id` of every embedding weight and of the output head."""
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    head = getattr(model, "get_output_embeddings", lambda: None)()
    return {id(weight) for weight in [*tables, *([head.weight] if head is not None else [])]}
