"""In which order rows are trained on, where it is not simply random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers.trainer_pt_utils import LengthGroupedSampler


class GroupedByLength(LengthGroupedSampler):
    """transformers' sampler: rows of like length together, the longest batch first.

    It draws from seed and epoch alone, not from random numbers that other things use up: a run
    that is resumed in the middle of an epoch, and every process of a run, get the same order.
    """

    def __init__(self, batch_size: int, lengths: Sequence[int], *, seed: int) -> None:
        self._random = torch.Generator()
        super().__init__(batch_size, lengths=list(lengths), generator=self._random)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self._random.manual_seed(self.seed + self.epoch)
        return super().__iter__()
