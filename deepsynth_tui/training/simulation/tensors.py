"""Tensors without memory: floats are fake, small integers are real.

Code that trains a model decides nothing by its floats, but it reads integers: positions, page
grids, which experts a token goes to. So integers stay real while they are small, and everything
else is a `FakeTensor`. Where floats decide over integers (the router of a mixture of experts),
the integers are made up: every expert gets the same share of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from deepsynth_tui.training.simulation.kernels import hidden_bytes, kernels
from deepsynth_tui.training.simulation.ledger import Ledger

aten = torch.ops.aten

# A real tensor takes at most this many bytes of the machine that simulates; the pixel masks of a
# batch of tiled pages are the largest whose values decide something.
REAL_BYTES = 2**28
FEW = 4096  # numbers: one for each page or tile of a batch
BY_MASK = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
VALUE_DECIDES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class Weightless(TorchDispatchMode):
    """Runs every operation on fake tensors and enters what it makes into a ledger.

    `fake` is the mode that the model's parameters were made with.
    """

    def __init__(self, fake: FakeTensorMode, ledger: Ledger) -> None:
        super().__init__()
        self.fake = fake
        self.ledger = ledger
        self._kernels = kernels()
        self._hidden_bytes = hidden_bytes()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:  # asked more often than all else is done
            return func(*args)
        if kernel := self._kernels.get(func):
            with self:
                return kernel(*args, **kwargs)
        if func in BY_MASK:
            args = (args[0], self._by_number(args[1]), *args[2:])
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(isinstance(tensor, FakeTensor) for tensor in given):
            out = self._on_fakes(func, args, kwargs)
        else:
            out = self._on_reals(func, args, kwargs, given)
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.ledger.made(tensor)
        if hidden := self._hidden_bytes.get(func):
            self.ledger.passing(hidden(*args, **kwargs))
        return out

    def _on_fakes(self, func: Any, args: Any, kwargs: Any) -> Any:
        with self.fake:
            out = func(*args, **kwargs)
        if func is aten.ne.Scalar and out.numel() <= FEW:
            return torch.ones(out.shape, dtype=torch.bool)  # no page is an empty one
        if func is aten.topk.default:
            return out[0], balanced(out[1].shape, of=args[0].shape[kwargs.get("dim", -1)])
        return out

    def _by_number(self, indices: list[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Indices with every mask turned into the numbers of its true places, as the kernel does.

        A mask that is not known is taken to be true everywhere: every page is a page.
        """
        found: list[torch.Tensor | None] = []
        for index in indices:
            if index is None or index.dtype not in (torch.bool, torch.uint8):
                found.append(index)
                continue
            known = not isinstance(index, FakeTensor)
            count = int(index.sum()) if known else index.numel()
            self.ledger.passing(8 * index.ndim * count)
            if 8 * index.ndim * count <= REAL_BYTES:
                true = index if known else torch.ones(index.shape, dtype=torch.bool)
                found.extend(true.nonzero().unbind(1))
            else:
                with self.fake:
                    found.extend(torch.empty(index.ndim, count, dtype=torch.long).unbind())
        return found

    def _on_reals(self, func: Any, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run on real tensors; a factory of floats and a large result make a fake one."""
        if VALUE_DECIDES & set(func.tags) or func.is_view:
            return func(*args, **kwargs)
        shapes = tree_leaves(_on_meta(func, args, kwargs))
        outputs = [leaf for leaf in shapes if isinstance(leaf, torch.Tensor)]
        small = all(output.nbytes <= REAL_BYTES for output in outputs)
        floats = any(output.is_floating_point() for output in outputs)
        if small and (given or not floats):
            return func(*args, **kwargs)
        with self.fake:
            return func(*args, **kwargs)


def balanced(shape: torch.Size, *, of: int) -> torch.Tensor:
    """Real indices of this shape that name each of `of` values equally often, never twice a row."""
    return torch.arange(shape.numel()).remainder(of).view(shape)


def _on_meta(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The result of an operation on the meta device: its shape and type."""
    if "device" in kwargs:
        kwargs = kwargs | {"device": torch.device("meta")}
    args, kwargs = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    return func(*args, **kwargs)
