"""Names of adapter weights on disk, such that PEFT finds them again.

PEFT 0.21 renames the keys of an adapter as transformers 5 renames those of the architecture's
original checkpoints. For some architectures that is not idempotent: of DeepSeek-OCR-2 every
`language_model.layers` becomes `language_model.language_model.layers`, nothing matches, and the
adapter loads with a warning and does nothing. Such keys are saved without the segment that PEFT
is going to add.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from peft import PeftModel
from peft.utils.transformers_weight_conversion import (
    convert_peft_adapter_state_dict_for_transformers,
)
from safetensors.torch import load_file, save_file

ADAPTER_WEIGHTS = "adapter_model.safetensors"
LORA = ".lora_"  # PEFT renames only keys with this in them


def make_loadable(model: PeftModel, folder: Path) -> None:
    """Rename the weights that PEFT saved in `folder`, where loading them would miss `model`'s.

    Raises:
        KeyError: no shorter name of a weight is renamed to the right one.
    """
    weights = load_file(folder / ADAPTER_WEIGHTS)
    renamed = loadable(model, weights)
    if set(renamed) != set(weights):
        save_file(renamed, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})


def loadable(model: PeftModel, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights under names that PEFT's renaming turns into the names they have now."""
    names = {name: name for name in weights}  # of the model -> on disk
    while missed := names.keys() - _found(model, names, weights):
        name = min(missed)
        if names[name] != name:
            raise KeyError(f"PEFT would not find {name} again")
        prefix, segment = _added_segment(model, name, weights)
        for name in missed:
            if name.startswith(f"{prefix}.{segment}."):
                names[name] = f"{prefix}.{name.removeprefix(f'{prefix}.{segment}.')}"
    return {on_disk: weights[name] for name, on_disk in names.items()}


def _found(
    model: PeftModel, names: Mapping[str, str], weights: Mapping[str, torch.Tensor]
) -> Iterable[str]:
    """Names in the model that weights on disk under `names` would arrive at."""
    on_disk = {disk: weights[name] for name, disk in names.items() if LORA in name}
    others = {name for name in names if LORA not in name}
    config = model.peft_config["default"]
    arrived = convert_peft_adapter_state_dict_for_transformers(
        model=model, peft_config=config, adapter_state_dict=on_disk
    )
    return others | arrived.keys()


def _added_segment(
    model: PeftModel, name: str, weights: Mapping[str, torch.Tensor]
) -> tuple[str, str]:
    """Where in `name` a segment can be left out because loading adds it, and which."""
    segments = name.split(".")
    for place in range(1, len(segments) - 1):
        shorter = ".".join(segments[:place] + segments[place + 1 :])
        if name in _found(model, {name: shorter}, weights):
            return ".".join(segments[:place]), segments[place]
    raise KeyError(f"PEFT would not find {name} again, under whatever name it is saved")
