"""What autograd keeps while real code runs on the CPU."""

from __future__ import annotations

from collections.abc import Iterable

import torch


class SavedTensors(torch.autograd.graph.saved_tensors_hooks):
    """`total`: bytes of the storages that the forward inside the block keeps for backward."""

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        own = {tensor.untyped_storage().data_ptr() for tensor in parameters}
        self._kept: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                self._kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        super().__init__(pack, lambda tensor: tensor)

    @property
    def total(self) -> int:
        return sum(self._kept.values())
