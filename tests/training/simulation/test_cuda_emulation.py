"""The CPU stands in for CUDA: the kernels that CUDA would choose, and their widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from deepsynth_tui.training.simulation.cuda_emulation import CudaEmulation
from deepsynth_tui.training.simulation.fake_tensors import TrackedFakeTensors
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker

FLASH = "_scaled_dot_product_flash_attention"
EFFICIENT = "_scaled_dot_product_efficient_attention"
HEADS, TOKENS, WIDTH = 4, 24, 64
TOO_WIDE = 264


class Calls(TorchDispatchMode):
    """Names of the operations that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


class Machine:
    """Fake tensors on a make-believe GPU."""

    def __init__(self, weightless: TrackedFakeTensors, calls: Calls) -> None:
        self.tracker = weightless.tracker
        self.calls = calls

    def __call__(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, requires_grad=True)

    def grown(self, compute: Callable[[], torch.Tensor]) -> int:
        """Bytes that stay once `compute` has run and its result is still held."""
        before = sum(self.tracker.live.values())
        held = compute()
        assert held.numel()
        return sum(self.tracker.live.values()) - before


@pytest.fixture
def make() -> Iterator[Machine]:
    weightless = TrackedFakeTensors(
        FakeTensorMode(allow_non_fake_inputs=True), MemoryTracker(vocab_size=0)
    )
    calls = Calls()
    with ExitStack() as modes:
        for mode in (CudaEmulation(), weightless, calls):
            modes.enter_context(mode)
        yield Machine(weightless, calls)


def attend(make: Machine, *, dtype: torch.dtype = torch.bfloat16, **given: Any) -> list[str]:
    query, key, value = (make(2, HEADS, TOKENS, WIDTH, dtype=dtype) for _ in range(3))
    out = F.scaled_dot_product_attention(query, key, value, **given)
    assert out.shape == query.shape
    return [name for name in make.calls.names if "scaled_dot_product" in name]


def test_flash_attention_takes_half_precision_without_a_mask(make: Machine):
    assert attend(make, is_causal=True) == [FLASH]


def test_float32_goes_to_the_efficient_kernel_unless_autocast_narrows_it(make: Machine):
    assert attend(make, dtype=torch.float32) == [EFFICIENT]
    make.calls.names.clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert attend(make, dtype=torch.float32) == [FLASH]


def test_a_mask_becomes_numbers_to_add_for_the_efficient_kernel(make: Machine):
    mask = torch.ones(2, 1, TOKENS, TOKENS, dtype=torch.bool).tril()
    assert attend(make, attn_mask=mask) == [EFFICIENT]
    assert "masked_fill_" in make.calls.names


def test_heads_too_wide_for_flash_attention(make: Machine):
    query = make(1, 1, TOKENS, TOO_WIDE)
    F.scaled_dot_product_attention(query, query, query)
    assert EFFICIENT in make.calls.names


@pytest.mark.parametrize(("tokens", "padded"), [(24, 24), (25, 32)])
def test_rows_of_a_mask_are_padded_to_eight(make: Machine, tokens: int, padded: int):
    mask = torch.ones(512, 1, tokens, tokens, dtype=torch.bool)
    query = make(512, 1, tokens, TOO_WIDE)
    plain = make.grown(lambda: F.scaled_dot_product_attention(query, query, query))
    masked = make.grown(lambda: F.scaled_dot_product_attention(query, query, query, mask))
    assert masked - plain == 512 * tokens * padded * 2


def test_grouped_heads_are_repeated_only_where_the_kernel_needs_it(make: Machine):
    query, key = make(512, 8, TOKENS, WIDTH), make(512, 2, TOKENS, WIDTH)
    mask = torch.ones(512, 1, TOKENS, TOKENS, dtype=torch.bool)
    attention = F.scaled_dot_product_attention
    flash = make.grown(lambda: attention(query, key, key, enable_gqa=True))
    assert flash < 1.1 * query.nbytes
    masked = make.grown(lambda: attention(query, key, key, mask, enable_gqa=True))
    repeated = 2 * query.nbytes
    assert masked == pytest.approx(query.nbytes + repeated + mask.nbytes * 2, rel=0.02)


def test_a_dropout_mask_takes_one_byte_a_number(make: Machine):
    values = make(1024, 512)
    assert make.grown(lambda: F.dropout(values, 0.1)) == 1024 * 512 * (2 + 1)
    assert F.dropout(values, 0.0) is values
    assert F.dropout(values, 0.1, training=False) is values


def test_autocast_widens_what_cuda_widens(make: Machine):
    hidden, weight = make(4, 32), make(32)
    with torch.autocast("cpu", torch.bfloat16):
        assert F.layer_norm(hidden, (32,), weight, weight).dtype == torch.float32
        assert F.softmax(hidden, dim=-1).dtype == torch.float32
        assert hidden.pow(2).dtype == torch.float32
        assert F.silu(hidden).dtype == torch.bfloat16
        assert F.linear(hidden.float(), make(32, 32)).dtype == torch.bfloat16
    assert F.layer_norm(hidden, (32,), weight, weight).dtype == torch.bfloat16
