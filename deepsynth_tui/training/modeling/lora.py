"""What is trained: adapters on chosen modules, or every weight that is not frozen."""

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
from deepsynth_tui.training.text_encoder.soft_tokens import set_aside

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

SHOWN_NAMES = 6


def attach(
    base: PreTrainedModel, config: TrainingConfig, *, revision: str | None = None
) -> PeftModel:
    """Wrap the base model with new adapters; everything else is frozen.

    Adapter weights are float32 whatever the base is (PEFT's default). `revision` is the commit of
    the base that the adapter will name.

    Raises:
        TrainingError: nothing matched the targets, or a pattern or `modules_to_save` entry names
            nothing that is there.
    """
    model = get_peft_model(base, lora_config(base, config, revision=revision))
    # `bias: all` would train the biases of frozen towers too. What `modules_to_save` names is
    # trained wherever it is.
    for name, parameter in model.named_parameters():
        if not is_trained(tower_of_trained(name), config.model) and ".modules_to_save." not in name:
            parameter.requires_grad_(False)
    return model


def lora_config(
    model: PreTrainedModel, config: TrainingConfig, *, revision: str | None
) -> LoraConfig:
    """Return the PEFT configuration, with targets resolved to full module names.

    Concrete names keep adapters out of a vision tower whose modules end in the same names as the
    language model's; `exclude_modules` and `layers_to_transform` are spent in that resolution.
    """
    settings = config.lora
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    parameters = [name for name, _ in model.named_parameters()]
    targets = resolve_target_modules(linears, settings, config.model)
    target_parameters = resolve_target_parameters(parameters, settings, config.model)
    if not targets and not target_parameters:
        raise _nothing_matched(linears, config)
    if settings.target_parameters and not target_parameters:
        raise _unknown_names("lora.target_parameters", settings.target_parameters, parameters)
    if settings.modules_to_save:
        modules = [name for name, _ in model.named_modules()]
        if not resolve_modules_to_save(modules, settings):
            raise _unknown_names("lora.modules_to_save", settings.modules_to_save, modules)
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


def unmatched(model: PreTrainedModel, config: TrainingConfig) -> tuple[str, ...]:
    """Entries of `lora.target_modules` that no linear of the model is called."""
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return unmatched_targets(linears, config.lora)


def unfreeze(model: PreTrainedModel, config: TrainingConfig) -> None:
    """Full fine-tuning: every weight learns but those of the frozen towers."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(tower_of(name), config.model))


def adapted(model: nn.Module) -> list[str]:
    """Full names, in the base model, of the modules and parameters that have an adapter."""
    names = []
    with set_aside(model):
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer):
                own = base_name(name).replace(".base_layer", "")
                is_parameter = isinstance(module, ParamWrapper)
                names.append(f"{own}.{module.parameter_name}" if is_parameter else own)
    return names


def trainable_by_tower(model: nn.Module) -> Mapping[Tower | EncoderPart, int]:
    """Trainable parameters in each tower, counted one by one; only towers that have some."""
    counts: Counter[Tower | EncoderPart] = Counter()
    with set_aside(model) as encoder:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                counts[tower_of_trained(name)] += parameter.numel()
    if encoder is not None:
        counts["text_encoder"] = _learning(encoder.encoder)
        counts["text_projection"] = _learning(encoder.projection)
    return +counts


def _learning(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters() if one.requires_grad)


def tower_of_trained(name: str) -> Tower:
    """The tower of a parameter, in a model with adapters or without."""
    return tower_of(base_name(name))


def base_name(name: str) -> str:
    """The name in the base model of what may lie in one with adapters."""
    return name.removeprefix("base_model.model.")


def _check_pattern(key: str, pattern: Mapping[str, int], targets: Iterable[str]) -> None:
    """A pattern that matches no target would be dropped silently by PEFT."""
    names = tuple(targets)
    for expression in pattern:
        # The rule of peft.utils.other.get_pattern_key.
        if not any(re.match(rf"(.*\.)?({expression})$", name) for name in names):
            raise _unknown_names(key, [expression], names)


def _nothing_matched(linears: list[str], config: TrainingConfig) -> TrainingError:
    wanted = config.lora.target_modules
    if wanted != "all-linear":
        return _unknown_names(
            "lora.target_modules", [wanted] if isinstance(wanted, str) else wanted, linears
        )
    towers = ", ".join(sorted({tower_of(name) for name in linears})) or "none"
    return TrainingError(
        f"lora.target_modules: no linear layer is left to adapt (towers with linears: {towers})",
        "Look at lora.exclude_modules, lora.layers_to_transform and model.freeze_vision_tower.",
    )


def _unknown_names(key: str, wanted: Iterable[str], names: Iterable[str]) -> TrainingError:
    """The error that shows which endings of names come nearest to what was asked for."""
    endings = {".".join(parts[-2:]) for name in names if (parts := name.split("."))}
    endings |= {name.rpartition(".")[2] for name in names}
    endings = {ending for ending in endings if not ending.rpartition(".")[2].isdecimal()}
    near: list[str] = []
    for name in wanted:
        near += difflib.get_close_matches(name, sorted(endings), n=SHOWN_NAMES, cutoff=0.4)
    shown = near or sorted(ending for ending in endings if "." not in ending)
    asked = ", ".join(wanted)
    return TrainingError(
        f"{key}: nothing in the model that may be trained is called {asked}",
        f"Near names are {', '.join(dict.fromkeys(shown[:SHOWN_NAMES]))}; a frozen tower's modules "
        "never match.",
    )
