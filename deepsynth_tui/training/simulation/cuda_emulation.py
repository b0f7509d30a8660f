"""CUDA's kernels and autocast rules on the CPU, whose fake tensors any build of PyTorch can make.

This happens in a torch function mode, above the dispatcher: there the CPU's own kernels have not
been chosen yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten

EMULATION_NOTE = (
    "Simulated with CUDA's attention kernels, autocast and dropout on CPU tensors; workspaces of "
    "cuDNN and cuBLAS are not included."
)

# torch/csrc/autocast_mode.h, `AT_FORALL_FP32` and `AT_FORALL_FP32_SET_OPT_DTYPE`: those that
# models call on half-precision tensors and that CPU autocast leaves in half precision.
FLOAT32_FUNCTIONS = (
    F.layer_norm,
    F.group_norm,
    F.softplus,
    torch.exp,
    torch.log,
    torch.rsqrt,
    torch.reciprocal,
    torch.norm,
    torch.cumsum,
    torch.prod,
    torch.logsumexp,
    F.softmax,
    F.log_softmax,
    torch.softmax,
    torch.log_softmax,
    torch.sum,
    torch.pow,
    torch.Tensor.pow,
    torch.Tensor.sum,
    torch.Tensor.softmax,
    torch.Tensor.norm,
    torch.Tensor.exp,
    torch.Tensor.log,
    torch.Tensor.rsqrt,
    torch.Tensor.cumsum,
)
HALF_DTYPES = (torch.bfloat16, torch.float16)


class CudaEmulation(TorchFunctionMode):
    """Replaces functions by the kernels that CUDA would choose."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if kernel := _KERNELS.get(func):
            return kernel(*args, **kwargs)
        if func in FLOAT32_FUNCTIONS and torch.is_autocast_enabled("cpu"):
            args = tuple(_upcast(value) for value in args)
        return func(*args, **kwargs)


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Compute attention of (batch, heads, tokens, width) with the kernel that CUDA chooses.

    Flash attention for half precision without a mask, the memory-efficient kernel for everything
    else (aten/src/ATen/native/transformers/cuda/sdp_utils.cpp).
    """
    half = query.dtype in HALF_DTYPES or torch.is_autocast_enabled("cpu")
    if half and query.dtype not in HALF_DTYPES:
        dtype = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if half and attn_mask is None and query.shape[-1] <= 256:
        return aten._scaled_dot_product_flash_attention.default(
            query, key, value, dropout_p, is_causal, False, scale=scale
        )[0]
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    if attn_mask is not None:
        attn_mask = _attention_bias(attn_mask, query, key)
    return aten._scaled_dot_product_efficient_attention.default(
        query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale
    )[0]


def dropout(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    """Use the fused kernel: its mask has one byte per element, the CPU's has the input's dtype."""
    if not training or p == 0.0:
        return input
    return torch.native_dropout(input, p, True)[0]


_KERNELS: Mapping[Any, Callable[..., torch.Tensor]] = {
    F.scaled_dot_product_attention: attention,
    F.dropout: dropout,
}


def _attention_bias(mask: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Convert a boolean mask to an additive bias, with rows padded to 8 elements (`pad_bias`)."""
    bias = mask
    if mask.dtype == torch.bool:
        bias = query.new_zeros(mask.shape)
        bias.masked_fill_(mask.logical_not(), -torch.inf)
    width = key.shape[-2]
    if width % 8:
        bias = F.pad(bias, (0, 8 - width % 8))[..., :width]
    return bias.expand(query.shape[0], query.shape[1], query.shape[2], width)


def _upcast(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype in HALF_DTYPES:
        return value.float()
    return value
