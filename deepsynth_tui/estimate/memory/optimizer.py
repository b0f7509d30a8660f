"""Bytes of gradients and optimizer state for what learns.

Two classes of trained numbers: adapters, which PEFT holds in float32 whatever the base is, and
base weights trained whole, which keep the base's format.
"""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES

FLOAT32 = 4
# bitsandbytes keeps one float32 maximum per 256 8-bit states (bitsandbytes/optim/optimizer.py).
BLOCK_8BIT = 256
# Smaller side of a base weight; only adafactor's share of a thousandth depends on it.
WIDE = 1024


@dataclass(frozen=True, slots=True)
class TrainableMemory:
    """Bytes that exist because something learns.

    `adapters` are the new tensors themselves (weights trained in place are counted with the
    base). `step` is what ``optimizer.step`` needs for a moment on top.
    """

    adapters: int
    gradients: int
    states: int
    step: int


def trainable_memory(config: TrainingConfig, trainable: TrainableParameters) -> TrainableMemory:
    """Bytes of adapters, gradients and optimizer state of the model."""
    width = DTYPE_BYTES[config.model.dtype]
    whole = trainable.copies + trainable.own
    optim = config.training.optim
    gradients = FLOAT32 * trainable.adapters + width * whole
    if config.training.num_processes > 1:
        # DDP keeps a bucket copy of every gradient (torch.nn.parallel, `gradient_as_bucket_view`
        # is off by default).
        gradients *= 2
    return TrainableMemory(
        adapters=FLOAT32 * trainable.adapters + width * trainable.copies,
        gradients=gradients,
        states=optimizer_state_bytes(optim, trainable.adapters, FLOAT32, edge=config.lora.r)
        + optimizer_state_bytes(optim, whole, width, edge=WIDE),
        step=optimizer_workspace_bytes(optim, trainable.adapters, FLOAT32)
        + optimizer_workspace_bytes(optim, whole, width),
    )


def optimizer_state_bytes(optim: str, parameters: int, width: int, *, edge: int) -> int:
    """Bytes of optimizer state for parameters of `width` bytes each.

    `edge` is the smaller side of their matrices. A paged optimizer counts in full: its pages lie
    on the GPU while there is room.
    """
    match optim:
        case "adamw_torch" | "adamw_torch_fused":
            return 2 * width * parameters
        case "paged_adamw_32bit":
            return 2 * FLOAT32 * parameters
        case "adamw_8bit" | "paged_adamw_8bit":
            return 2 * (parameters + FLOAT32 * parameters // BLOCK_8BIT)
        case "lion_8bit":
            return parameters + FLOAT32 * parameters // BLOCK_8BIT
        case "adafactor":
            # A float32 for each row and column of a matrix (transformers/optimization.py).
            return FLOAT32 * parameters // edge
        case "sgd":
            return 0
        case "muon":
            # One momentum; the few numbers that are in no matrix have two moments.
            return width * parameters
    raise ValueError(f"no memory rule for the optimizer {optim}")


def optimizer_workspace_bytes(optim: str, parameters: int, width: int) -> int:
    """Bytes that one optimizer step needs for a moment, beyond its state.

    `adamw_torch` works on all tensors at once (foreach) and holds the square roots of all second
    moments; adafactor its update of the same size in float32; the fused kernels nothing.
    """
    match optim:
        case "adamw_torch":
            return width * parameters
        case "adafactor":
            return FLOAT32 * parameters
        case _:
            return 0
