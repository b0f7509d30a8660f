"""Measures the tensors that autograd saves while a model runs on the CPU."""

from __future__ import annotations

from collections.abc import Iterable

import torch


class SavedTensors(torch.autograd.graph.saved_tensors_hooks):
    """`total`: bytes of the storages that the forward pass inside the block saves for backward."""

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        parameter_storages = {tensor.untyped_storage().data_ptr() for tensor in parameters}
        self._saved: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in parameter_storages:
                self._saved[storage.data_ptr()] = storage.nbytes()
            return tensor

        super().__init__(pack, lambda tensor: tensor)

    @property
    def total(self) -> int:
        return sum(self._saved.values())
