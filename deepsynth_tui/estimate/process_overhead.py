"""GPU memory of a process beyond the tensors that PyTorch allocates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessOverhead:
    """Bytes on top of ``max_memory_allocated``.

    `context`: CUDA context and workspaces of the libraries. `cached_ratio`: cached bytes of the
    allocator on this machine, measured over computed (`estimate/memory/reserved`).
    """

    context: int
    cached_ratio: float = 1.0

    def total(self, computed_cached: int) -> int:
        """Context and cached bytes, where so many cached bytes are computed."""
        return self.context + int(self.cached_ratio * computed_cached)


# The context of PyTorch 2.x takes 0.4 to 0.6 GB from Turing to Hopper. This is the upper end, since
# an estimate that is too low is the worse error.
PUBLISHED_OVERHEAD = ProcessOverhead(context=600_000_000)
