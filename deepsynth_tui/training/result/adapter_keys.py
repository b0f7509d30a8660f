"""Rename saved adapter weights where `PeftModel.from_pretrained` would not find them.

On loading, PEFT 0.21 renames the keys of an adapter as transformers 5 renames those of the
architecture's original checkpoints. For some architectures that is not idempotent: every
`language_model.layers` of DeepSeek-OCR-2 becomes `language_model.language_model.layers`, no key
matches, and the adapter loads with a warning and does nothing. Such keys are saved without the
segment that PEFT will add.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from peft import PeftModel
from peft.utils.transformers_weight_conversion import (
    convert_peft_adapter_state_dict_for_transformers,
)
from safetensors.torch import load_file, save_file

from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS

LORA = ".lora_"  # PEFT renames only keys that contain this


def make_loadable(model: PeftModel, folder: Path) -> None:
    """Rename the weights that PEFT saved in `folder` if loading would miss some of them.

    Raises:
        KeyError: there is no name from which PEFT's renaming gives the right one.
    """
    weights = load_file(folder / ADAPTER_WEIGHTS)
    renamed = loadable_weights(model, weights)
    if set(renamed) != set(weights):
        save_file(renamed, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})


def loadable_weights(
    model: PeftModel, weights: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return the weights under names that PEFT's renaming turns into their present names."""
    saved_names = {name: name for name in weights}  # name in the model -> name in the file
    while missed := saved_names.keys() - _names_after_loading(model, saved_names, weights):
        name = min(missed)
        if saved_names[name] != name:
            raise KeyError(f"PEFT would not find {name} when it loads the adapter")
        prefix, segment = _added_segment(model, name, weights)
        for name in missed:
            if name.startswith(f"{prefix}.{segment}."):
                saved_names[name] = f"{prefix}.{name.removeprefix(f'{prefix}.{segment}.')}"
    return {saved: weights[name] for name, saved in saved_names.items()}


def _names_after_loading(
    model: PeftModel, saved_names: Mapping[str, str], weights: Mapping[str, torch.Tensor]
) -> set[str]:
    """Return the names in the model that PEFT would load the saved weights into."""
    saved = {saved: weights[name] for name, saved in saved_names.items() if LORA in name}
    not_renamed = {name for name in saved_names if LORA not in name}
    loaded = convert_peft_adapter_state_dict_for_transformers(
        model=model, peft_config=model.peft_config["default"], adapter_state_dict=saved
    )
    return not_renamed | loaded.keys()


def _added_segment(
    model: PeftModel, name: str, weights: Mapping[str, torch.Tensor]
) -> tuple[str, str]:
    """Return the segment of `name` that loading adds, after the part of the name before it."""
    segments = name.split(".")
    for position in range(1, len(segments) - 1):
        shorter = ".".join(segments[:position] + segments[position + 1 :])
        if name in _names_after_loading(model, {name: shorter}, weights):
            return ".".join(segments[:position]), segments[position]
    raise KeyError(f"PEFT would not find {name} under any name that it could be saved with")
