"""What CUDA does differently from the CPU, whose fake tensors any build of PyTorch can make.

Kernels are chosen and autocast rules applied one level above the dispatcher, where the CPU's own
choice has not been made yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten

NOTE = (
    "Simulated with CUDA's attention kernels, autocast and dropout on tensors of the CPU; "
    "workspaces of cuDNN and cuBLAS are not in the figure."
)

# torch/csrc/autocast_mode.h, `AT_FORALL_FP32` and `AT_FORALL_FP32_SET_OPT_DTYPE`: those that
# models call on half-precision tensors, and that the CPU leaves in half precision.
FLOAT32 = (
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
HALF = (torch.bfloat16, torch.float16)


class CudaKernels(TorchFunctionMode):
    """Routes calls to the kernels that CUDA would choose."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if chosen := _CHOSEN.get(func):
            return chosen(*args, **kwargs)
        if func in FLOAT32 and torch.is_autocast_enabled("cpu"):
            args = tuple(_widened(value) for value in args)
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
    """Scaled dot product attention of (batch, heads, tokens, width) by CUDA's rules.

    Flash attention takes half precision without a mask, the memory-efficient kernel everything
    else (aten/src/ATen/native/transformers/cuda/sdp_utils.cpp).
    """
    half = query.dtype in HALF or torch.is_autocast_enabled("cpu")
    if half and query.dtype not in HALF:
        wide = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(wide), key.to(wide), value.to(wide)
    if half and attn_mask is None and query.shape[-1] <= 256:
        return aten._scaled_dot_product_flash_attention.default(
            query, key, value, dropout_p, is_causal, False, scale=scale
        )[0]
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = (one.repeat_interleave(groups, dim=1) for one in (key, value))
    if attn_mask is not None:
        attn_mask = _bias(attn_mask, query, key)
    return aten._scaled_dot_product_efficient_attention.default(
        query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale
    )[0]


def dropout(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    """The fused kernel, whose mask takes one byte a number; the CPU's takes the input's width."""
    if not training or p == 0.0:
        return input
    return torch.native_dropout(input, p, True)[0]


_CHOSEN: Mapping[Any, Callable[..., torch.Tensor]] = {
    F.scaled_dot_product_attention: attention,
    F.dropout: dropout,
}


def _bias(mask: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """A boolean mask as numbers to add, in rows padded to 8 numbers (`pad_bias`)."""
    bias = mask
    if mask.dtype == torch.bool:
        bias = query.new_zeros(mask.shape)
        bias.masked_fill_(mask.logical_not(), -torch.inf)
    width = key.shape[-2]
    if width % 8:
        bias = F.pad(bias, (0, 8 - width % 8))[..., :width]
    return bias.expand(query.shape[0], query.shape[1], query.shape[2], width)


def _widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype in HALF:
        return value.float()
    return value
