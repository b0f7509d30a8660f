"""FSDP: the frozen layers of a language model are sharded over the ranks that train its adapters.

torch's FSDP2 (`fully_shard`) keeps a shard of each layer on each rank, gathers a layer while it
computes, and frees it again. Adapters are not sharded: they are small, so every rank has all of
them, and DDP averages their gradients as it does without FSDP. Saving, resuming and verifying
therefore work the same and gather nothing. accelerate's own FSDP would shard the adapters too,
supports only GPUs, and writes checkpoints in its own format.

Once a model is sharded, a forward pass on one rank waits for the same pass on all others. Vision
towers are whole on each rank: they run as often as the pages of a rank's own batch need, and not at
all for rows without pages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import accelerate.accelerator
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers.modeling_layers import GradientCheckpointingLayer

from deepsynth_tui.models.towers import tower_of
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import current_device

if TYPE_CHECKING:
    from accelerate import Accelerator
    from peft import PeftModel
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)


def shard_model(model: PeftModel) -> None:
    """Move a model with adapters from the CPU to this rank's device, with sharded layers.

    Embeddings, the head, the vision tower and everything else outside the layers of the language
    model stay whole on each rank; of those layers, the device never holds more than the shards and
    one whole layer at a time. Call it once, on all ranks of the default group, after adding
    adapters: PEFT reads attributes of quantized weights that FSDP does not keep.

    Raises:
        TrainingError: the model has no layers of transformers' class for them.
    """
    base: PreTrainedModel = model.get_base_model()  # pyright: ignore[reportAssignmentType]
    device = current_device()
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    trainable = {parameter for parameter in model.parameters() if parameter.requires_grad}
    layers = list(language_layers(base))
    if not layers:
        raise TrainingError(
            f"{type(base).__name__} cannot be sharded: its language model has no layers of "
            "transformers' GradientCheckpointingLayer class",
            "Turn training.fsdp off.",
        )
    total = sum(parameter.numel() for parameter in base.parameters())
    sharded: set[nn.Parameter] = set()
    for layer in layers:
        layer.to(device)
        fully_shard(layer, mesh=mesh, ignored_params=trainable)
        sharded |= set(layer.parameters()) - trainable
    model.to(device)
    _move_quant_states(base, device)
    # The root has no parameters of its own to shard, but prefetches the next layer.
    unsharded = set(model.parameters()) - sharded
    fully_shard(base.base_model, mesh=mesh, ignored_params=unsharded)
    # Otherwise DDP broadcasts the first rank's shards to the others. torch's only public way is
    # `init_sync`, which accelerate does not pass on.
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, frozen)
    local = sum(_local_numel(parameter) for parameter in base.parameters())
    log.info(
        "%d layers are sharded: %s of %s values on this rank",
        len(layers),
        f"{local:,}",
        f"{total:,}",
    )


def _move_quant_states(base: nn.Module, device: torch.device) -> None:
    """Move the scales of quantized experts, which are neither parameters nor buffers."""
    from bitsandbytes.nn.parametrize import Bnb4bitParametrization

    for module in base.modules():
        if isinstance(module, Bnb4bitParametrization):
            module.quant_state.to(device)


def _local_numel(parameter: nn.Parameter) -> int:
    local = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return local.numel()


def language_layers(module: nn.Module, name: str = "") -> Iterator[nn.Module]:
    """Yield the layers of the language model: its units of gradient checkpointing in transformers.

    `name` is that of `module` in the model.
    """
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}".lstrip(".")
        if not isinstance(child, GradientCheckpointingLayer):
            yield from language_layers(child, path)
        elif tower_of(path) == "language":
            yield child


# accelerate 1.15; unnecessary once it asks for trained DTensors only.
def let_ddp_ignore_shards(accelerator: Accelerator) -> None:
    """Let accelerate wrap a model with frozen shards in DDP, which leaves them alone.

    On GPUs it refuses every DTensor, as DDP could not average its gradient; frozen ones have none.
    """
    accelerator.device_placement = False  # FSDP has placed the model; the trainer moves the batches
    accelerate.accelerator.model_has_dtensor = _trains_dtensor


def _trains_dtensor(model: nn.Module) -> bool:
    return any(isinstance(p, DTensor) and p.requires_grad for p in model.parameters())
