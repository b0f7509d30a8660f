"""What a process takes on a GPU beyond the tensors that PyTorch counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes on top of ``max_memory_allocated``.

    `context`: CUDA context and libraries' workspaces. `held`: what the caching allocator holds
    back on this machine, over what is computed for it (`estimate/memory/reserved`).
    """

    context: int
    held: float = 1.0

    def on_top(self, computed: int) -> int:
        """All of it, where so many bytes are computed for the allocator."""
        return self.context + int(self.held * computed)


# PyTorch 2.x on Turing to Hopper takes 0.4 to 0.6 GB: the upper end, since too little is the worse
# error.
PUBLISHED = Overhead(context=600_000_000)
