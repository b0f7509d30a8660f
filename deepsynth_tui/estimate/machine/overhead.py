"""What a process takes on a GPU beyond the tensors that PyTorch counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes and shares on top of ``max_memory_allocated``.

    `context`: CUDA context and libraries' workspaces. The caching allocator cannot use `holes` of
    the memory beyond the steady state even when it has to (rounding, fragmentation), and holds
    back `cached` of it while memory is plentiful.
    """

    context: int
    holes: float
    cached: float

    def needed(self, beyond: int) -> int:
        """Bytes a GPU must have on top of the allocated; `beyond` is above the steady state."""
        return self.context + int(self.holes * beyond)

    def shown(self, beyond: int) -> int:
        """Bytes on top of the allocated that nvidia-smi shows where memory is plentiful."""
        return self.context + int(self.cached * beyond)


# `context`: PyTorch 2.x on Turing to Hopper takes 0.4 to 0.6 GB. `holes`: assumption; the fullest
# published run that fitted (74.4 GB allocated, 82.0 GB shown on an A100 80GB) is well inside it.
# `cached`: least squares over the plain HF rows of fms-acceleration's a100_80gb.csv that state
# both figures.
PUBLISHED = Overhead(context=500_000_000, holes=0.05, cached=0.30)
