"""FSDP: the frozen layers of a model shared out among the processes that train its adapters.

torch's FSDP2 (`fully_shard`) keeps a part of each layer in each process, gathers the layer for as
long as it computes, and drops it again. Adapters are left out of it: they are small, so every
process has them whole, and their gradients are averaged as without FSDP. What is saved, resumed and
verified is therefore the same, and needs no gathering. accelerate's own FSDP would share out the
adapters too, knows GPUs alone, and writes checkpoints in a form of its own.

From then on a forward pass of any process waits for the same pass in all others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers.modeling_layers import GradientCheckpointingLayer

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.load import device

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)


def share_out(model: PeftModel) -> None:
    """Move a model with adapters from the CPU to this process's device, layers as a part of each.

    Only the parts, and one whole layer at a time, are ever on the device. Embeddings, the head and
    whatever else is in no layer stay whole in each process. Call it in all processes of the default
    group, once, and with adapters: PEFT asks quantised weights for what FSDP does not keep.

    Raises:
        TrainingError: the model has no layers of the form that transformers' own models have.
    """
    base: PreTrainedModel = model.get_base_model()  # pyright: ignore[reportAssignmentType]
    here = device()
    mesh = init_device_mesh(here.type, (distributed.get_world_size(),))
    learning = {one for one in model.parameters() if one.requires_grad}
    found = list(layers(base))
    if not found:
        raise TrainingError(
            f"{type(base).__name__} has no layers of transformers' own form to share out",
            "Turn training.fsdp off.",
        )
    total = sum(one.numel() for one in base.parameters())
    shared: set[nn.Parameter] = set()
    for layer in found:
        layer.to(here)
        fully_shard(layer, mesh=mesh, ignored_params=learning)
        shared |= set(layer.parameters()) - learning
    model.to(here)
    _move_scales(base, here)
    # It has nothing of its own to share out, but fetches each layer while the one before computes.
    whole = set(model.parameters()) - shared
    fully_shard(base.base_model, mesh=mesh, ignored_params=whole)
    # Else DDP would send the first process's weights, parts of layers, to the others. torch has no
    # public way but `init_sync`, which accelerate does not hand on.
    frozen = [name for name, one in model.named_parameters() if not one.requires_grad]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, frozen)
    held = sum(_held(one) for one in base.parameters())
    log.info(
        "%d layers are shared out: %s of %s numbers are here", len(found), f"{held:,}", f"{total:,}"
    )


def _move_scales(base: nn.Module, here: torch.device) -> None:
    """Scales of quantised experts are neither parameters nor buffers: nothing else moves them."""
    from bitsandbytes.nn.parametrize import Bnb4bitParametrization

    for module in base.modules():
        if isinstance(module, Bnb4bitParametrization):
            module.quant_state.to(here)


def _held(parameter: nn.Parameter) -> int:
    own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return own.numel()


def layers(module: nn.Module) -> Iterator[nn.Module]:
    """The layers of each tower: what transformers runs, and recomputes, as one."""
    for child in module.children():
        if isinstance(child, GradientCheckpointingLayer):
            yield child
        else:
            yield from layers(child)
