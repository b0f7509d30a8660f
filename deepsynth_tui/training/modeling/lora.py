"""What is trained: LoRA adapters, or every weight of the towers that are not frozen."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora.layer import LoraLayer, ParamWrapper
from torch import nn

from deepsynth_tui.estimate.memory.text_encoder import EncoderPart
from deepsynth_tui.models.lora_targets import (
    resolve_modules_to_save,
    resolve_target_modules,
    resolve_target_parameters,
    unmatched_targets,
)
from deepsynth_tui.models.towers import Tower, is_trained, tower_of
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.text_encoder.soft_tokens import without_text_encoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

MAX_NAMES_SHOWN = 6


def add_adapters(
    base: PreTrainedModel, config: TrainingConfig, *, revision: str | None = None
) -> PeftModel:
    """Wrap the base model with new adapters and freeze everything else.

    Adapter weights are float32 whatever the dtype of the base (PEFT's default). `revision` is the
    commit of the base that is written into the adapter's config.

    Raises:
        TrainingError: the targets match nothing, or a pattern or a `modules_to_save` entry does.
    """
    model = get_peft_model(base, lora_config(base, config, revision=revision))
    # `bias: all` would also train the biases of frozen towers. `modules_to_save` are trained in
    # any tower.
    for name, parameter in model.named_parameters():
        tower = tower_of_parameter(name)
        if not is_trained(tower, config.model) and ".modules_to_save." not in name:
            parameter.requires_grad_(False)
    return model


def lora_config(
    model: PreTrainedModel, config: TrainingConfig, *, revision: str | None
) -> LoraConfig:
    """Return the PEFT configuration, with targets resolved to full module names.

    Suffixes would also match a vision tower whose modules have the same names as the language
    model's. `exclude_modules` and `layers_to_transform` are applied while resolving.

    Raises:
        TrainingError: as `add_adapters`.
    """
    settings = config.lora
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    parameters = [name for name, _ in model.named_parameters()]
    targets = resolve_target_modules(linears, settings, config.model)
    target_parameters = resolve_target_parameters(parameters, settings, config.model)
    if not targets and not target_parameters:
        raise _no_targets_error(linears, config)
    if settings.target_parameters and not target_parameters:
        raise _unknown_names_error("lora.target_parameters", settings.target_parameters, parameters)
    if settings.modules_to_save:
        modules = [name for name, _ in model.named_modules()]
        if not resolve_modules_to_save(modules, settings):
            raise _unknown_names_error("lora.modules_to_save", settings.modules_to_save, modules)
    for key, pattern in (("rank", settings.rank_pattern), ("alpha", settings.alpha_pattern)):
        _check_pattern(f"lora.{key}_pattern", pattern, (*targets, *target_parameters))
    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        revision=revision,
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(targets),
        target_parameters=list(target_parameters) or None,
        modules_to_save=list(settings.modules_to_save) or None,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        init_lora_weights=settings.init_lora_weights,
        bias=settings.bias,
        rank_pattern=dict(settings.rank_pattern),
        alpha_pattern=dict(settings.alpha_pattern),
    )


def unmatched_target_modules(model: PreTrainedModel, config: TrainingConfig) -> tuple[str, ...]:
    """Return the entries of `lora.target_modules` that match no linear layer."""
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return unmatched_targets(linears, config.lora)


def prepare_full_finetuning(model: PreTrainedModel, config: TrainingConfig) -> None:
    """Make every weight trainable except those of frozen towers."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(tower_of(name), config.model))


def adapted_modules(model: nn.Module) -> list[str]:
    """Return the names, in the base model, of the modules and parameters with an adapter."""
    names = []
    with without_text_encoder(model):
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer):
                base_name = strip_peft_prefix(name).replace(".base_layer", "")
                is_parameter = isinstance(module, ParamWrapper)
                names.append(f"{base_name}.{module.parameter_name}" if is_parameter else base_name)
    return names


def trainable_parameters_by_tower(model: nn.Module) -> Mapping[Tower | EncoderPart, int]:
    """Count the trainable parameters of each tower; towers without any are left out."""
    counts: Counter[Tower | EncoderPart] = Counter()
    with without_text_encoder(model) as encoder:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                counts[tower_of_parameter(name)] += parameter.numel()
    if encoder is not None:
        counts["text_encoder"] = _trainable_numel(encoder.encoder)
        counts["text_projection"] = _trainable_numel(encoder.projection)
    return +counts


def _trainable_numel(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def tower_of_parameter(name: str) -> Tower:
    """Return the tower of a parameter of a model with or without adapters."""
    return tower_of(strip_peft_prefix(name))


def strip_peft_prefix(name: str) -> str:
    """Return the name of a module or parameter of a `PeftModel` in the base model."""
    return name.removeprefix("base_model.model.")


def _check_pattern(key: str, pattern: Mapping[str, int], targets: Iterable[str]) -> None:
    """Raise TrainingError for a pattern that matches no target: PEFT would silently ignore it."""
    names = tuple(targets)
    for expression in pattern:
        # The rule of peft.utils.other.get_pattern_key.
        if not any(re.match(rf"(.*\.)?({expression})$", name) for name in names):
            raise _unknown_names_error(key, [expression], names)


def _no_targets_error(linears: list[str], config: TrainingConfig) -> TrainingError:
    targets = config.lora.target_modules
    if targets != "all-linear":
        patterns = [targets] if isinstance(targets, str) else targets
        return _unknown_names_error("lora.target_modules", patterns, linears)
    towers = ", ".join(sorted({tower_of(name) for name in linears})) or "none"
    return TrainingError(
        "lora.target_modules: no linear layer is left to adapt (towers with linear layers: "
        f"{towers})",
        "Check lora.exclude_modules, lora.layers_to_transform and model.freeze_vision_tower.",
    )


def _unknown_names_error(key: str, unknown: Iterable[str], names: Iterable[str]) -> TrainingError:
    """Return an error that suggests the most similar module names."""
    endings = {".".join(parts[-2:]) for name in names if (parts := name.split("."))}
    endings |= {name.rpartition(".")[2] for name in names}
    endings = {ending for ending in endings if not ending.rpartition(".")[2].isdecimal()}
    similar: list[str] = []
    for name in unknown:
        similar += difflib.get_close_matches(name, sorted(endings), n=MAX_NAMES_SHOWN, cutoff=0.4)
    suggestions = similar or sorted(ending for ending in endings if "." not in ending)
    listed = ", ".join(dict.fromkeys(suggestions[:MAX_NAMES_SHOWN]))
    return TrainingError(
        f"{key}: nothing trainable in the model is named {', '.join(unknown)}",
        f"Similar names are {listed}; modules of a frozen tower never match.",
    )
