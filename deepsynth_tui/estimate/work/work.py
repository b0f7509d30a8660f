"""An amount of work for a GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """One optimizer step on one GPU, all its micro-batches together.

    `matmul` FLOPs; `causal` and `masked` FLOPs of attention, by the kernel that it runs in. Bytes:
    `weights` that matmuls read, `traffic` of everything between them, `dequantised` moved to make
    quantised weights wide, `optimizer`. `kernels` are launched one after the other.
    """

    matmul: float = 0.0
    causal: float = 0.0
    masked: float = 0.0
    weights: float = 0.0
    traffic: float = 0.0
    dequantised: float = 0.0
    optimizer: float = 0.0
    kernels: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.matmul + other.matmul,
            self.causal + other.causal,
            self.masked + other.masked,
            self.weights + other.weights,
            self.traffic + other.traffic,
            self.dequantised + other.dequantised,
            self.optimizer + other.optimizer,
            self.kernels + other.kernels,
        )

    def times(self, count: float) -> Work:
        """So many times this work."""
        return Work(
            self.matmul * count,
            self.causal * count,
            self.masked * count,
            self.weights * count,
            self.traffic * count,
            self.dequantised * count,
            self.optimizer * count,
            self.kernels * count,
        )
