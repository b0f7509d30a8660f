"""On the CPU, the kernels that CUDA would choose run, with the dtypes that they would have."""

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
    """Creates fake tensors, and records operations and memory."""

    def __init__(self, fake_tensors: TrackedFakeTensors, calls: Calls) -> None:
        self.tracker = fake_tensors.tracker
        self.calls = calls

    def __call__(self, *shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, requires_grad=True)

    def allocated(self, compute: Callable[[], torch.Tensor]) -> int:
        """Return the bytes still allocated after `compute`, its result included."""
        before = sum(self.tracker.live.values())
        result = compute()
        assert result.numel()
        return sum(self.tracker.live.values()) - before


@pytest.fixture
def make() -> Iterator[Machine]:
    fake_tensors = TrackedFakeTensors(
        FakeTensorMode(allow_non_fake_inputs=True), MemoryTracker(vocab_size=0)
    )
    calls = Calls()
    with ExitStack() as modes:
        for mode in (CudaEmulation(), fake_tensors, calls):
            modes.enter_context(mode)
        yield Machine(fake_tensors, calls)


def attend(make: Machine, *, dtype: torch.dtype = torch.bfloat16, **options: Any) -> list[str]:
    query, key, value = (make(2, HEADS, TOKENS, WIDTH, dtype=dtype) for _ in range(3))
    out = F.scaled_dot_product_attention(query, key, value, **options)
    assert out.shape == query.shape
    return [name for name in make.calls.names if "scaled_dot_product" in name]


def test_flash_attention_takes_half_precision_without_a_mask(make: Machine):
    assert attend(make, is_causal=True) == [FLASH]


def test_float32_uses_the_efficient_kernel_unless_autocast(make: Machine):
    assert attend(make, dtype=torch.float32) == [EFFICIENT]
    make.calls.names.clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert attend(make, dtype=torch.float32) == [FLASH]


def test_a_mask_becomes_a_bias_for_the_efficient_kernel(make: Machine):
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
    plain = make.allocated(lambda: F.scaled_dot_product_attention(query, query, query))
    masked = make.allocated(lambda: F.scaled_dot_product_attention(query, query, query, mask))
    assert masked - plain == 512 * tokens * padded * 2


def test_grouped_heads_are_repeated_only_if_the_kernel_needs_it(make: Machine):
    query, key = make(512, 8, TOKENS, WIDTH), make(512, 2, TOKENS, WIDTH)
    mask = torch.ones(512, 1, TOKENS, TOKENS, dtype=torch.bool)
    attention = F.scaled_dot_product_attention
    flash = make.allocated(lambda: attention(query, key, key, enable_gqa=True))
    assert flash < 1.1 * query.nbytes
    masked = make.allocated(lambda: attention(query, key, key, mask, enable_gqa=True))
    repeated = 2 * query.nbytes
    assert masked == pytest.approx(query.nbytes + repeated + mask.nbytes * 2, rel=0.02)


def test_a_dropout_mask_has_one_byte_per_element(make: Machine):
    values = make(1024, 512)
    assert make.allocated(lambda: F.dropout(values, 0.1)) == 1024 * 512 * (2 + 1)
    assert F.dropout(values, 0.0) is values
    assert F.dropout(values, 0.1, training=False) is values


def test_autocast_upcasts_what_cuda_upcasts(make: Machine):
    hidden, weight = make(4, 32), make(32)
    with torch.autocast("cpu", torch.bfloat16):
        assert F.layer_norm(hidden, (32,), weight, weight).dtype == torch.float32
        assert F.softmax(hidden, dim=-1).dtype == torch.float32
        assert hidden.pow(2).dtype == torch.float32
        assert F.silu(hidden).dtype == torch.bfloat16
        assert F.linear(hidden.float(), make(32, 32)).dtype == torch.bfloat16
    assert F.layer_norm(hidden, (32,), weight, weight).dtype == torch.bfloat16
