"""What `training.fsdp` needs, and what it excludes.

Layers are shared out once adapters are attached to them, and gathered only while they compute: what
changes frozen weights, trains them, or looks at them at another time does not go with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deepsynth_tui.config.rules.rule import Rule

BEGINNINGS = (True, "gaussian")
"""Values of `lora.init_lora_weights` that leave the frozen weights as they are."""


def _excludes(
    key: str, *others: str, found: Callable[[Any], bool], message: str, hint: str
) -> Rule:
    """A rule that is broken where `training.fsdp` is on and something is `found` at `key`."""
    return Rule(
        (key, "training.fsdp", *others),
        lambda config: config.training.fsdp and found(config),
        message,
        f"{hint}, or turn training.fsdp off",
    )


FSDP_RULES = (
    _excludes(
        "training.num_processes",
        found=lambda c: c.training.num_processes == 1,
        message="training.fsdp shares the model out among processes, and there is one",
        hint="set it to the number of GPUs",
    ),
    _excludes(
        "lora.enabled",
        found=lambda c: not c.lora.enabled,
        message="training.fsdp shares out frozen weights alone, and without LoRA all are trained",
        hint="turn it on",
    ),
    _excludes(
        "quantization.bits",
        "quantization.enabled",
        found=lambda c: c.quantization.enabled and c.quantization.bits == 8,
        message="training.fsdp cannot share out bitsandbytes' 8-bit weights, whose scales lie "
        "inside them",
        hint="set it to 4",
    ),
    _excludes(
        "quantization.quant_storage",
        "quantization.enabled",
        "model.dtype",
        found=lambda c: c.quantization.enabled and c.quantization.quant_storage != c.model.dtype,
        message="training.fsdp gathers a layer as one, and its 4-bit weights are packed into "
        "another format than the rest of it, model.dtype, has",
        hint="make the two the same",
    ),
    _excludes(
        "text_encoder.enabled",
        found=lambda c: c.text_encoder.enabled,
        message="training.fsdp has no place for a second model",
        hint="turn it off",
    ),
    _excludes(
        "lora.use_dora",
        found=lambda c: c.lora.use_dora,
        message="DoRA reads whole frozen weights, of which training.fsdp leaves each process a "
        "part",
        hint="turn it off",
    ),
    _excludes(
        "lora.init_lora_weights",
        found=lambda c: c.lora.init_lora_weights not in BEGINNINGS,
        message="changes frozen weights, or computes from them, which training.fsdp shares out",
        hint="set it to true or gaussian",
    ),
    _excludes(
        "lora.bias",
        found=lambda c: c.lora.bias != "none",
        message="trains tensors of the layers that training.fsdp shares out as frozen",
        hint="set it to none",
    ),
    _excludes(
        "lora.modules_to_save",
        found=lambda c: bool(c.lora.modules_to_save),
        message="trains modules whole, and training.fsdp shares out frozen weights alone",
        hint="leave it empty",
    ),
    _excludes(
        "lora.target_parameters",
        found=lambda c: bool(c.lora.target_parameters),
        message="PEFT puts the parameter itself in another place, where training.fsdp loses it",
        hint="leave it empty",
    ),
)
