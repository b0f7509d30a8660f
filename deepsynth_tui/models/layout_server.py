"""Child process that builds a model on the meta device and prints its profile as JSON.

``python -m deepsynth_tui.models.layout_server NAME [--revision R] [--role encoder]
[--trust-remote-code]`` prints one object on stdout: the profile, or ``{"message", "advice"}``
and exit status 1. No weight is read and none is allocated.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from deepsynth_tui.models.dimensions import image_dimensions, text_dimensions
from deepsynth_tui.models.hub_config import (
    HubConfig,
    UnknownModelError,
    find_hub_config,
)
from deepsynth_tui.models.layout import Kind, ModelLayout, Role, WeightGroup
from deepsynth_tui.models.text_encoders import model_kwargs
from deepsynth_tui.models.towers import tower_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

ADVICE = "Check that the checkpoint loads with the installed transformers, or choose another model."


def build_meta_model(
    architecture: HubConfig, role: Role, *, trust_remote_code: bool
) -> PreTrainedModel:
    """The model without weights: every parameter on the meta device."""
    import torch
    import transformers
    from transformers.models.auto import modeling_auto

    config = architecture.config
    if role == "encoder":
        auto = transformers.AutoModel
    elif type(config) in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        auto = transformers.AutoModelForImageTextToText
    else:
        auto = transformers.AutoModelForCausalLM
    options = model_kwargs(config.model_type) if role == "encoder" else {}
    with torch.device("meta"):
        return auto.from_config(config, trust_remote_code=trust_remote_code, **options)


def group_weights(model: PreTrainedModel) -> tuple[WeightGroup, ...]:
    """Group every parameter of a model, in the order of its modules."""
    not_converted = _keys_bitsandbytes_leaves(model)
    kept_wide = _kept_in_float32(model)
    groups: dict[tuple[Any, ...], list[tuple[int, ...]]] = {}
    seen: set[int] = set()
    for module_name, module in model.named_modules(remove_duplicate=False):
        for short_name, parameter in module.named_parameters(recurse=False):
            name = f"{module_name}.{short_name}" if module_name else short_name
            parts = name.split(".")
            key = (
                tower_of(name),
                _kind_of(module, parameter.dim()),
                ".".join("*" if part.isdecimal() else part for part in parts),
                tuple(parameter.shape),
                short_name == "weight" and _is_converted(module, module_name, not_converted),
                id(parameter) in seen,
                kept_wide(name),
            )
            seen.add(id(parameter))
            index = tuple(int(part) for part in parts if part.isdecimal())
            groups.setdefault(key, []).append(index)
    return tuple(
        WeightGroup(
            tower=tower,
            kind=kind,
            pattern=pattern,
            shape=shape,
            indices=tuple(indices),
            convertible=convertible,
            tied=tied,
            float32=float32,
        )
        for (tower, kind, pattern, shape, convertible, tied, float32), indices in groups.items()
    )


def build_layout(
    name: str, revision: str | None, role: Role, *, trust_remote_code: bool
) -> ModelLayout:
    """Build the profile of a model. Raises `UnknownModelError` if it has no config."""
    architecture = find_hub_config(name, revision, trust_remote_code=trust_remote_code)
    model = build_meta_model(architecture, role, trust_remote_code=trust_remote_code)
    return ModelLayout(
        name=name,
        revision=revision,
        role=role,
        architecture=type(model).__name__,
        origin=architecture.origin,
        weights=group_weights(model),
        text=text_dimensions(architecture.config),
        image=None if role == "encoder" else image_dimensions(architecture),
    )


def _kind_of(module: nn.Module, dimensions: int) -> Kind:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, (nn.Linear, Conv1D)):
        return "linear"
    if isinstance(module, nn.Embedding):
        return "embedding"
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return "conv"
    if "Norm" in type(module).__name__:
        return "norm"
    if dimensions == 3 and "Experts" in type(module).__name__:
        return "fused_experts"
    return "other"


def _kept_in_float32(model: PreTrainedModel) -> Callable[[str], bool]:
    """The rule by which ``from_pretrained`` leaves a parameter in float32 in a half-precision model
    (``transformers.core_model_loading``)."""
    from transformers.core_model_loading import build_glob_alternation

    if not model._keep_in_fp32_modules_strict:
        return lambda name: False
    pattern, *_ = build_glob_alternation(list(model._keep_in_fp32_modules_strict))
    return lambda name: pattern.search(name) is not None


def _keys_bitsandbytes_leaves(model: PreTrainedModel) -> list[str]:
    from transformers.quantizers.base import get_keys_to_not_convert

    kept_wide: list[str] = list(model._keep_in_fp32_modules or [])
    return [*get_keys_to_not_convert(model), *kept_wide]


def _is_converted(module: nn.Module, name: str, not_converted: list[str]) -> bool:
    """The rule of ``transformers.integrations.bitsandbytes.replace_with_bnb_linear``."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.quantizers_utils import should_convert_module

    is_linear = isinstance(module, Conv1D) or type(module) is nn.Linear
    return is_linear and should_convert_module(name, not_converted)


def main(arguments: list[str] | None = None) -> int:
    """Print the answer on stdout. Returns the exit status: 0, or 1 with a message and advice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--revision")
    parser.add_argument("--role", choices=("model", "encoder"), default="model")
    parser.add_argument("--trust-remote-code", action="store_true")
    options = parser.parse_args(arguments)
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        answer, status = _answer(options)
    print(json.dumps(answer))  # noqa: T201 - the answer of this process
    return status


def _answer(options: argparse.Namespace) -> tuple[dict[str, Any], int]:
    name: str = options.name
    try:
        built = build_layout(
            name,
            options.revision,
            cast(Role, options.role),
            trust_remote_code=options.trust_remote_code,
        )
    except UnknownModelError as error:
        return {"message": error.message, "advice": error.advice}, 1
    except Exception as error:  # noqa: BLE001 - the process boundary: told, and exit status 1
        traceback.print_exc()
        return {"message": describe(name, error), "advice": ADVICE}, 1
    return built.to_json(), 0


def describe(name: str, error: Exception) -> str:
    """One line for an error of the model's own code."""
    reason = str(error).strip().split("\n")[0]
    return f"{name} could not be built from its config: {type(error).__name__}: {reason}"


if __name__ == "__main__":
    sys.exit(main())
