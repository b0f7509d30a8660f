"""Child process that builds a model on the meta device and answers with its layout as JSON.

The question is ``{"name", "revision", "role", "trust_remote_code"}``. No weights are downloaded,
read or allocated. `layout_client` asks.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.errors import UserError
from deepsynth_tui.models.dimensions import image_dimensions, text_dimensions
from deepsynth_tui.models.hub_config import HubConfig, find_hub_config
from deepsynth_tui.models.layout import Kind, ModelLayout, Role, WeightGroup
from deepsynth_tui.models.remote_code import code_options
from deepsynth_tui.models.text_encoders import model_kwargs
from deepsynth_tui.models.towers import tower_of

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

ADVICE = "Check that the checkpoint loads with the installed transformers, or choose another model."


def build_meta_model(
    hub_config: HubConfig, role: Role, *, trust_remote_code: bool, revision: str | None = None
) -> PreTrainedModel:
    """Build a model without weights: every parameter is on the meta device."""
    import torch
    import transformers
    from transformers.models.auto import modeling_auto

    config = hub_config.config
    if role == "encoder":
        auto_class = transformers.AutoModel
    elif type(config) in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        auto_class = transformers.AutoModelForImageTextToText
    else:
        auto_class = transformers.AutoModelForCausalLM
    options = code_options(
        auto_class, config, trust_remote_code=trust_remote_code, revision=revision
    )
    if role == "encoder":
        options |= model_kwargs(config.model_type)
    with torch.device("meta"):
        return auto_class.from_config(config, **options)


def group_weights(model: PreTrainedModel) -> tuple[WeightGroup, ...]:
    """Group the parameters of a model by everything but their indices, in module order."""
    not_converted = _modules_not_to_convert(model)
    is_float32 = _float32_rule(model)
    groups: dict[tuple[Any, ...], list[tuple[int, ...]]] = {}
    counted: set[int] = set()
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
                id(parameter) in counted,
                is_float32(name),
            )
            counted.add(id(parameter))
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
    """Build the layout of a model.

    Raises:
        UnknownModelError: no config of the model is found.
        Exception: whatever the model's own code raises.
    """
    hub_config = find_hub_config(name, revision, trust_remote_code=trust_remote_code)
    model = build_meta_model(
        hub_config, role, trust_remote_code=trust_remote_code, revision=revision
    )
    return ModelLayout(
        name=name,
        revision=revision,
        role=role,
        architecture=type(model).__name__,
        origin=hub_config.origin,
        weights=group_weights(model),
        text=text_dimensions(hub_config.config),
        image=None if role == "encoder" else image_dimensions(hub_config),
        takes_features="mm_encoder_outputs" in inspect.signature(model.forward).parameters,
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


def _float32_rule(model: PreTrainedModel) -> Callable[[str], bool]:
    """Return the predicate for parameters that ``from_pretrained`` keeps in float32 in a
    half-precision model (``transformers.core_model_loading``)."""
    from transformers.core_model_loading import build_glob_alternation

    if not model._keep_in_fp32_modules_strict:
        return lambda name: False
    pattern, *_ = build_glob_alternation(list(model._keep_in_fp32_modules_strict))
    return lambda name: pattern.search(name) is not None


def _modules_not_to_convert(model: PreTrainedModel) -> list[str]:
    """Modules that ``replace_with_bnb_linear`` leaves as they are."""
    from transformers.quantizers.base import get_keys_to_not_convert

    float32_modules: list[str] = list(model._keep_in_fp32_modules or [])
    return [*get_keys_to_not_convert(model), *float32_modules]


def _is_converted(module: nn.Module, name: str, not_converted: list[str]) -> bool:
    """Whether ``transformers.integrations.bitsandbytes.replace_with_bnb_linear`` converts it."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.quantizers_utils import should_convert_module

    is_linear = isinstance(module, Conv1D) or type(module) is nn.Linear
    return is_linear and should_convert_module(name, not_converted)


def main() -> int:
    """Answer the question on stdin with a layout. Returns the exit status."""
    name = ""

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        nonlocal name
        name = question["name"]
        return build_layout(**question).to_json()

    def explain(error: Exception) -> UserError:
        reason = str(error).strip().split("\n")[0]
        return UserError(
            f"{name} could not be built from its config: {type(error).__name__}: {reason}", ADVICE
        )

    return serve(answer, explain=explain)


if __name__ == "__main__":
    sys.exit(main())
