"""The allocations inside CUDA kernels, which the dispatcher does not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

aten = torch.ops.aten
Kernel = Callable[..., Any]


def bitsandbytes_kernels() -> Mapping[Any, Kernel]:
    """Return replacements of bitsandbytes' operations; none if it is not installed."""
    try:
        import bitsandbytes  # noqa: F401 - registers the operations
    except ImportError:
        return {}
    ops = torch.ops.bitsandbytes
    return {
        ops.int8_vectorwise_quant.default: _int8_vectorwise_quant,
        ops.int8_mixed_scaled_mm.default: _int8_mixed_scaled_mm,
        ops.gemm_4bit.default: _gemm_4bit,
    }


def workspace_bytes() -> Mapping[Any, Callable[..., int]]:
    """Return functions for the bytes that an operation allocates and frees before it returns."""
    return {
        aten._scaled_dot_product_flash_attention_backward.default: _float32_query_gradient,
        aten._scaled_dot_product_efficient_attention_backward.default: _float32_query_gradient,
    }


def _float32_query_gradient(grad: torch.Tensor, query: torch.Tensor, *_: Any, **__: Any) -> int:
    """Both kernels accumulate the query's gradient in float32 (flash_api.cpp, `dq_accum`)."""
    return 4 * query.numel()


def _int8_vectorwise_quant(
    A: torch.Tensor,
    threshold: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """bitsandbytes/backends/cuda/ops.py. Outlier columns are unknown; none are assumed."""
    row_stats = A.new_empty(A.numel() // A.shape[-1], dtype=torch.float32)
    quantized = torch.empty_like(A, dtype=torch.int8)
    if threshold == 0.0:
        return quantized, row_stats, None
    outliers = A.abs() >= threshold
    del outliers
    return quantized, row_stats, torch.empty(0, dtype=torch.int64)


def _int8_mixed_scaled_mm(
    A: torch.Tensor,
    CA: torch.Tensor,
    CB: torch.Tensor,
    *_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """bitsandbytes/backends/default/ops.py: an int32 product, scaled into the output."""
    product = A.new_empty((*CA.shape[:-1], CB.shape[0]), dtype=torch.int32)
    return torch.empty_like(product, dtype=A.dtype), A.new_empty(0)


def _gemm_4bit(
    A: torch.Tensor,
    B: torch.Tensor,
    shape: list[int],
    *_: Any,
    **__: Any,
) -> torch.Tensor:
    """bitsandbytes/backends/cuda/ops.py: for more than some hundred rows it dequantizes first."""
    weight = A.new_empty(shape)
    return A.new_empty((*A.shape[:-1], weight.shape[0]))
