"""A sampler that groups rows by length in a reproducible order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler


class SeededLengthGroupedSampler(LengthGroupedSampler):
    """transformers' sampler: rows of similar length together, the longest batch first.

    The order depends only on seed and epoch, not on the state of the global random number
    generator: a run resumed in the middle of an epoch, and every rank of a run, get the same order.
    """

    def __init__(self, batch_size: int, lengths: Sequence[int], *, seed: int) -> None:
        self._generator = torch.Generator()
        super().__init__(batch_size, lengths=list(lengths), generator=self._generator)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self._generator.manual_seed(self.seed + self.epoch)
        return super().__iter__()
