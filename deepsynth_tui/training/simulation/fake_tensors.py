"""A dispatch mode that computes on tensors without memory: floats are fake, small integers real.

Training code does not branch on floats, but it reads integers: positions, page grids, the experts
of a token. Integers therefore stay real while they are small, and everything else is a
`FakeTensor`. Where integers depend on floats (the router of a mixture of experts) they are made up:
every expert gets the same share of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from deepsynth_tui.training.simulation.kernels import bitsandbytes_kernels, workspace_bytes
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker

aten = torch.ops.aten

# A real tensor may take this much memory on the simulating machine. The largest whose values matter
# are the pixel masks of a batch of tiled pages.
MAX_REAL_BYTES = 2**28
MAX_PAGE_MASK_NUMEL = 4096  # one value for each page or tile of a batch
MASK_INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)
VALUE_DEPENDENT = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class TrackedFakeTensors(TorchDispatchMode):
    """Runs every operation on fake tensors and passes its outputs to a `MemoryTracker`.

    `fake_mode` is the mode in which the parameters of the model were created.
    """

    def __init__(self, fake_mode: FakeTensorMode, tracker: MemoryTracker) -> None:
        super().__init__()
        self.fake_mode = fake_mode
        self.tracker = tracker
        self._kernels = bitsandbytes_kernels()
        self._workspace_bytes = workspace_bytes()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:  # called more often than all other operations
            return func(*args)
        if kernel := self._kernels.get(func):
            with self:
                return kernel(*args, **kwargs)
        if func in MASK_INDEXING:
            args = (args[0], self._masks_to_indices(args[1]), *args[2:])
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(isinstance(tensor, FakeTensor) for tensor in inputs):
            out = self._run_fake(func, args, kwargs)
        else:
            out = self._run_real(func, args, kwargs, inputs)
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.tracker.track_output(tensor)
        if workspace := self._workspace_bytes.get(func):
            self.tracker.track_workspace(workspace(*args, **kwargs))
        return out

    def _run_fake(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func is aten.equal.default:
            return True  # logits are what the configuration of the model tells
        with self.fake_mode:
            out = func(*args, **kwargs)
        if func is aten.ne.Scalar and out.numel() <= MAX_PAGE_MASK_NUMEL:
            return torch.ones(out.shape, dtype=torch.bool)  # no page is an empty one
        if func is aten.topk.default:
            count = args[0].shape[kwargs.get("dim", -1)]
            return out[0], balanced_indices(out[1].shape, count=count)
        return out

    def _masks_to_indices(self, indices: list[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Convert every mask to the indices of its true values, as the kernel does.

        A fake mask is taken to be true everywhere: every page is a page.
        """
        converted: list[torch.Tensor | None] = []
        for index in indices:
            if index is None or index.dtype not in (torch.bool, torch.uint8):
                converted.append(index)
                continue
            is_real = not isinstance(index, FakeTensor)
            count = int(index.sum()) if is_real else index.numel()
            size = 8 * index.ndim * count
            self.tracker.track_workspace(size)
            if size <= MAX_REAL_BYTES:
                mask = index if is_real else torch.ones(index.shape, dtype=torch.bool)
                converted.extend(mask.nonzero().unbind(1))
            else:
                with self.fake_mode:
                    empty = torch.empty(index.ndim, count, dtype=torch.long)
                    converted.extend(empty.unbind())
        return converted

    def _run_real(self, func: Any, args: Any, kwargs: Any, inputs: list[torch.Tensor]) -> Any:
        """Run on real tensors. New float tensors and large results become fake."""
        if VALUE_DEPENDENT & set(func.tags) or func.is_view:
            return func(*args, **kwargs)
        meta_outputs = tree_leaves(_run_on_meta(func, args, kwargs))
        outputs = [leaf for leaf in meta_outputs if isinstance(leaf, torch.Tensor)]
        small = all(output.nbytes <= MAX_REAL_BYTES for output in outputs)
        floats = any(output.is_floating_point() for output in outputs)
        if small and (inputs or not floats):
            return func(*args, **kwargs)
        with self.fake_mode:
            return func(*args, **kwargs)


def balanced_indices(shape: torch.Size, *, count: int) -> torch.Tensor:
    """Return real indices that use each of `count` values equally often, none twice in a row."""
    return torch.arange(shape.numel()).remainder(count).view(shape)


def _run_on_meta(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run an operation on the meta device, for the shape and dtype of its result."""
    if "device" in kwargs:
        kwargs = kwargs | {"device": torch.device("meta")}
    args, kwargs = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    return func(*args, **kwargs)
