"""What `training.fsdp` requires, and what it excludes.

Layers are sharded after the adapters are attached, and gathered only while they compute. Settings
that change, train or read the frozen base weights at another time are therefore excluded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deepsynth_tui.config.model import DRAWN_INITS
from deepsynth_tui.config.rules.rule import Rule


def _excludes(
    key: str, *other_keys: str, condition: Callable[[Any], bool], message: str, hint: str
) -> Rule:
    """Return a rule that is broken if `training.fsdp` is on and `condition` holds."""
    return Rule(
        (key, "training.fsdp", *other_keys),
        lambda config: config.training.fsdp and condition(config),
        message,
        f"{hint}, or turn training.fsdp off",
    )


FSDP_RULES = (
    _excludes(
        "training.num_processes",
        condition=lambda c: c.training.num_processes == 1,
        message="training.fsdp shards the model across processes, and there is only one",
        hint="set it to the number of GPUs",
    ),
    _excludes(
        "lora.enabled",
        condition=lambda c: not c.lora.enabled,
        message="training.fsdp shards frozen weights only, and without LoRA all are trained",
        hint="turn it on",
    ),
    _excludes(
        "quantization.bits",
        "quantization.enabled",
        condition=lambda c: c.quantization.enabled and c.quantization.bits == 8,
        message="training.fsdp cannot shard the 8-bit weights of bitsandbytes, which contain "
        "their own scales",
        hint="set it to 4",
    ),
    _excludes(
        "quantization.quant_storage",
        "quantization.enabled",
        "model.dtype",
        condition=lambda c: (
            c.quantization.enabled and c.quantization.quant_storage != c.model.dtype
        ),
        message="training.fsdp gathers a layer as one tensor of one dtype, and its 4-bit weights "
        "are stored in a dtype other than model.dtype",
        hint="set both to the same dtype",
    ),
    _excludes(
        "text_encoder.enabled",
        condition=lambda c: c.text_encoder.enabled,
        message="training.fsdp does not support a text encoder",
        hint="turn it off",
    ),
    _excludes(
        "lora.use_dora",
        condition=lambda c: c.lora.use_dora,
        message="DoRA reads whole frozen weights, and training.fsdp leaves only a shard of them "
        "in each process",
        hint="turn it off",
    ),
    _excludes(
        "lora.init_lora_weights",
        condition=lambda c: c.lora.init_lora_weights not in DRAWN_INITS,
        message="changes or reads the frozen weights, which training.fsdp shards",
        hint="set it to true or gaussian",
    ),
    _excludes(
        "lora.bias",
        condition=lambda c: c.lora.bias != "none",
        message="trains biases of the layers that training.fsdp shards as frozen",
        hint="set it to none",
    ),
    _excludes(
        "lora.modules_to_save",
        condition=lambda c: bool(c.lora.modules_to_save),
        message="trains whole modules, and training.fsdp shards frozen weights only",
        hint="leave it empty",
    ),
    _excludes(
        "lora.trainable_token_indices",
        condition=lambda c: bool(c.lora.trainable_token_indices),
        message="trains rows of the embeddings, which training.fsdp shards as frozen",
        hint="leave it empty",
    ),
    _excludes(
        "training.cache_features",
        condition=lambda c: c.training.cache_features == "on",
        message="compares features with pixels on one rank, and with training.fsdp a forward pass "
        "needs all of them",
        hint="set it to auto",
    ),
    _excludes(
        "lora.target_parameters",
        condition=lambda c: bool(c.lora.target_parameters),
        message="PEFT moves the parameter to another module, where training.fsdp does not find it",
        hint="leave it empty",
    ),
)
