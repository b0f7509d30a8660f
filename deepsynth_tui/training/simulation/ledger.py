"""Which bytes are alive: every storage that an operation makes, until Python lets it go."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch

from deepsynth_tui.estimate.memory.allocator import round_size
from deepsynth_tui.training.simulation.trace import Trace

Owner = Literal["weights", "adapters", "gradients", "optimizer", "activations", "logits"]
OWNERS: tuple[Owner, ...] = get_args(Owner)


@dataclass
class Ledger:
    """Live bytes by owner. `peak` is the largest sum so far, `at_peak` its parts.

    `trace` is the order in which they came and went since `start`.
    """

    logits_width: int
    now: dict[Owner, int] = field(default_factory=lambda: dict.fromkeys(OWNERS, 0))
    at_peak: Mapping[Owner, int] = field(default_factory=dict)
    peak: int = 0
    trace: Trace = field(default_factory=Trace)
    _total: int = 0
    _owners: dict[int, tuple[int, Owner]] = field(default_factory=dict)

    def assign(self, tensors: Iterable[torch.Tensor], owner: Owner) -> None:
        """Count these tensors as `owner`'s, whatever they were counted as before."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            size, before = self._owners.get(storage._cdata, (0, owner))
            if not size:
                self._add(storage, owner)
            elif before != owner:
                self._owners[storage._cdata] = (size, owner)
                self.now[before] -= size
                self.now[owner] += size

    def made(self, tensor: torch.Tensor) -> None:
        """Count the output of an operation, once for all views of its storage."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._owners:
            is_logits = tensor.ndim > 1 and tensor.shape[-1] == self.logits_width
            self._add(storage, "logits" if is_logits else "activations")

    def passing(self, size: int) -> None:
        """Count bytes that a kernel takes and gives back within one operation."""
        self._note(size)
        self.trace.passing(size)

    def start(self) -> None:
        """Forget the peak so far: a step begins, with the states of the optimizer there."""
        self.peak, self.at_peak = 0, {}
        self._note(0)
        states = tuple(size for size, owner in self._owners.values() if owner == "optimizer")
        self.trace = Trace(held=self._total - sum(states), states=states)

    def _add(self, storage: torch.UntypedStorage, owner: Owner) -> None:
        size = round_size(storage.nbytes())
        self._owners[storage._cdata] = (size, owner)
        self.now[owner] += size
        self._total += size
        weakref.finalize(storage, self._gone, storage._cdata)
        self._note(0)
        self.trace.came(storage._cdata, size)

    def _gone(self, key: int) -> None:
        size, owner = self._owners.pop(key)
        self.now[owner] -= size
        self._total -= size
        self.trace.went(key)

    def _note(self, passing: int) -> None:
        if self._total + passing > self.peak:
            self.peak = self._total + passing
            self.at_peak = {**self.now, "activations": self.now["activations"] + passing}
