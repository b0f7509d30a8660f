"""Bytes of gradients and optimizer state of the trainable parameters.

There are two kinds of trainable parameters: adapters, which PEFT keeps in float32 whatever the
base's dtype is, and base weights trained in full, which keep the base's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES

FLOAT32 = 4
# bitsandbytes keeps one float32 maximum per 256 8-bit states (bitsandbytes/optim/optimizer.py).
BLOCK_8BIT = 256
# Assumed smaller side of a base weight. Only adafactor's state, a thousandth, depends on it.
BASE_WEIGHT_SIDE = 1024


@dataclass(frozen=True, slots=True)
class TrainableMemory:
    """Bytes that exist because parameters are trained.

    `adapters` are the new tensors; weights that are trained in place count with the base.
    `optimizer_state` stays allocated between steps, `optimizer_workspace` only during
    ``optimizer.step``.
    """

    adapters: int
    gradients: int
    optimizer_state: int
    optimizer_workspace: int


def trainable_memory(config: TrainingConfig, trainable: TrainableParameters) -> TrainableMemory:
    """Bytes of the model's adapters, gradients and optimizer state."""
    width = DTYPE_BYTES[config.model.dtype]
    full = trainable.module_copies + trainable.in_place
    optim = config.training.optim
    gradients = FLOAT32 * trainable.adapters + width * full
    if config.training.num_processes > 1:
        # DDP copies every gradient to a bucket (torch.nn.parallel, `gradient_as_bucket_view` is off
        # by default).
        gradients *= 2
    return TrainableMemory(
        adapters=FLOAT32 * trainable.adapters + width * trainable.module_copies,
        gradients=gradients,
        optimizer_state=optimizer_state_bytes(
            optim, trainable.adapters, FLOAT32, smaller_side=config.lora.r
        )
        + optimizer_state_bytes(optim, full, width, smaller_side=BASE_WEIGHT_SIDE),
        optimizer_workspace=optimizer_workspace_bytes(optim, trainable.adapters, FLOAT32)
        + optimizer_workspace_bytes(optim, full, width),
    )


def optimizer_state_bytes(optim: str, parameters: int, width: int, *, smaller_side: int) -> int:
    """Bytes of optimizer state for parameters of `width` bytes each.

    `smaller_side` is the smaller dimension of their matrices. The state of a paged optimizer counts
    in full, because its pages stay on the GPU while there is room.
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
            return FLOAT32 * parameters // smaller_side
        case "sgd":
            return 0
        case "muon":
            # One momentum. The few parameters that are no matrices have Adam's two moments.
            return width * parameters
    raise ValueError(f"no memory rule for the optimizer {optim}")


def optimizer_workspace_bytes(optim: str, parameters: int, width: int) -> int:
    """Bytes that ``optimizer.step`` allocates temporarily, beyond its state.

    `adamw_torch` works on all tensors at once (foreach) and allocates the square roots of all
    second moments; adafactor allocates its update in float32; fused kernels allocate nothing.
    """
    match optim:
        case "adamw_torch":
            return width * parameters
        case "adafactor":
            return FLOAT32 * parameters
        case _:
            return 0
