"""What a process takes on a GPU beyond the tensors that PyTorch counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessOverhead:
    """Bytes on top of ``max_memory_allocated``.

    `context`: CUDA context and libraries' workspaces. `cached_ratio`: what the caching allocator holds
    back on this machine, over what is computed for it (`estimate/memory/reserved`).
    """

    context: int
    cached_ratio: float = 1.0

    def total(self, computed: int) -> int:
        """All of it, where so many bytes are computed for the allocator."""
        return self.context + int(self.cached_ratio * computed)


# PyTorch 2.x on Turing to Hopper takes 0.4 to 0.6 GB: the upper end, since too little is the worse
# error.
PUBLISHED_OVERHEAD = ProcessOverhead(context=600_000_000)
