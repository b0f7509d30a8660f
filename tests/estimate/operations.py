"""Counts the matmul FLOPs, the other memory traffic and the kernels of a computation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operations that only make a view of memory or allocate it.
_FREE = {
    *(
        "view",
        "_unsafe_view",
        "t",
        "transpose",
        "expand",
        "slice",
        "select",
        "unsqueeze",
        "squeeze",
    ),
    *("permute", "detach", "alias", "as_strided", "split", "chunk", "unbind", "_reshape_alias"),
    *("_local_scalar_dense", "is_nonzero", "empty_like", "empty", "lift_fresh", "new_empty"),
}
_ATTENTION = "scaled_dot_product"


class Operations(TorchDispatchMode):
    """Counts the operations that run inside the context.

    `matmul`: FLOPs of matmuls. `traffic`: bytes that other operations read and write, without the
    attention kernel. `kernels`: number of operations that compute.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matmul = 0
        self.traffic = 0
        self.kernels = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in _FREE:
            return out
        self.kernels += 1
        if name in ("mm", "addmm", "bmm"):
            left, right = args[-2:]
            self.matmul += 2 * left.numel() * right.shape[-1]
        elif name == "_grouped_mm":
            self.matmul += 2 * args[0].numel() * args[1].shape[-1]
        elif name == "embedding":
            self.traffic += 2 * _bytes([out])
        elif _ATTENTION not in name:
            self.traffic += _bytes(tree_leaves((args, kwargs, out)))
        return out


def _bytes(values: Iterable[Any]) -> int:
    """Return the bytes of tensors. Elements that a stride of 0 repeats count once."""
    total = 0
    for value in values:
        if isinstance(value, torch.Tensor):
            distinct = 1
            for size, stride in zip(value.shape, value.stride(), strict=True):
                distinct *= size if stride else 1
            total += distinct * value.element_size()
    return total


def operations(compute: Callable[[], object]) -> Operations:
    """Count the operations of `compute`."""
    with Operations() as counter:
        compute()
    return counter
