"""The simulated allocator reserves as much GPU memory as PyTorch's own."""

from __future__ import annotations

import random

import pytest
import torch

from deepsynth_tui.estimate.memory.allocator import MIB, Block, CachingAllocator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]


@pytest.mark.parametrize("seed", range(8))
def test_the_same_sequence_reserves_the_same(seed: int):
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    pick = random.Random(seed)
    allocator = CachingAllocator()
    live: list[tuple[torch.Tensor, Block]] = []
    for _ in range(400):
        if live and pick.random() < 0.48:
            tensor, block = live.pop(pick.randrange(len(live)))
            del tensor
            allocator.free(block)
        else:
            size = int(2 ** pick.uniform(8, 27))
            tensor = torch.empty(size, dtype=torch.uint8, device="cuda")
            live.append((tensor, allocator.allocate(size)))
            del tensor
        assert abs(torch.cuda.memory_reserved() - before - allocator.reserved) <= 2 * MIB
