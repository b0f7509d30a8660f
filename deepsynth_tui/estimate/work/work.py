"""FLOPs, bytes and kernel launches of a computation on a GPU."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Work:
    """The work of an optimizer step on one GPU, all its micro-batches together.

    `causal_attention_flops` and `masked_attention_flops` differ in the kernel that attention runs
    in. `weight_bytes` are read by matmuls, `elementwise_bytes` are read and written by everything
    between them, `dequantized_bytes` by dequantization, `optimizer_bytes` by the optimizer.
    `kernel_launches` run one after another. `host_bytes` are copied to main memory and back.
    """

    matmul_flops: float = 0.0
    causal_attention_flops: float = 0.0
    masked_attention_flops: float = 0.0
    weight_bytes: float = 0.0
    elementwise_bytes: float = 0.0
    dequantized_bytes: float = 0.0
    optimizer_bytes: float = 0.0
    kernel_launches: float = 0.0
    host_bytes: float = 0.0

    @property
    def flops(self) -> float:
        """FLOPs of matmuls and attention."""
        return self.matmul_flops + self.causal_attention_flops + self.masked_attention_flops

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Work) -> Work:
        return self + other * -1

    def __mul__(self, count: float) -> Work:
        return Work(*(getattr(self, f.name) * count for f in fields(self)))
