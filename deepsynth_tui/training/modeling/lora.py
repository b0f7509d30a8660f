"""What is trained: LoRA adapters, or every weight of the towers that are not frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora.layer import LoraLayer, ParamWrapper
from torch import nn

from deepsynth_tui.estimate.memory.text_encoder import EncoderPart
from deepsynth_tui.models.lora_problems import ModelNames, lora_problems
from deepsynth_tui.models.lora_targets import resolve_target_modules, resolve_target_parameters
from deepsynth_tui.models.towers import Tower, is_trained, tower_of
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.eva import EVA_CONFIG
from deepsynth_tui.training.text_encoder.soft_tokens import without_text_encoder

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from deepsynth_tui.config.model import LoraSettings
    from deepsynth_tui.config.training import TrainingConfig


def add_adapters(
    base: PreTrainedModel, config: TrainingConfig, *, revision: str | None = None
) -> PeftModel:
    """Wrap the base model with new adapters and freeze everything else.

    Adapter weights are float32 whatever the dtype of the base (PEFT's default). `revision` is the
    commit of the base that is written into the adapter's config.

    Raises:
        TrainingError: a name, pattern or index in `lora:` matches nothing.
    """
    model = get_peft_model(base, lora_config(base, config, revision=revision))
    order_targets(model)
    skip_casts_under_autocast(model)
    # `bias: all` would also train the biases of frozen towers. `modules_to_save` are trained in
    # any tower.
    for name, parameter in model.named_parameters():
        tower = tower_of_parameter(name)
        if not is_trained(tower, config.model) and ".modules_to_save." not in name:
            parameter.requires_grad_(False)
    return model


def skip_casts_under_autocast(model: nn.Module) -> None:
    """Make adapters without dropout read the inputs of their linears as they are under autocast.

    PEFT copies them to float32, the dtype of the adapters, and autocast copies them back: two
    copies per adapter, of which autograd saves one. The result is the same to the bit. With
    dropout it is not, and PEFT's other kinds of adapters, such as DoRA, are left as they are.
    """
    for module in model.modules():
        if not isinstance(module, LoraLayer) or isinstance(module, ParamWrapper):
            continue
        dropouts = module.lora_dropout.values()
        if not module.lora_variant and all(
            isinstance(dropout, nn.Identity) for dropout in dropouts
        ):
            module.register_forward_pre_hook(_cast_unless_autocast, with_kwargs=True)


def _cast_unless_autocast(layer: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Cast as PEFT does where the model turns autocast off, or without autocast."""
    first, *_ = (*inputs, *named.values())
    layer.cast_input_dtype_enabled = not torch.is_autocast_enabled(first.device.type)


def order_targets(model: PeftModel) -> None:
    """Order the targets in the config of new adapters, so that equal runs save equal files.

    PEFT keeps them in a set, whose order differs from process to process.
    """
    adapter: Any = model.peft_config["default"]
    if not isinstance(adapter.target_modules, str):
        adapter.target_modules = sorted(adapter.target_modules or ()) or None


def load_adapter_weights(model: PeftModel, folder: Path) -> None:
    """Load the weights of the adapter in `folder` into those of the model, which have its shapes.

    Raises:
        TrainingError: it adapts other modules.
    """
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    result = model.load_adapter(str(folder), "default", is_trainable=True)
    missing = sorted(trained.intersection(result.missing_keys))
    unexpected = sorted(result.unexpected_keys)
    if not missing and not unexpected:
        return
    facts = [
        f"{len(names)} tensors {relation}, such as {strip_peft_prefix(names[0])}"
        for names, relation in (
            (missing, "of this run are not in it"),
            (unexpected, "in it have no place in this run"),
        )
        if names
    ]
    raise TrainingError(
        f"lora.init_from: {folder} adapts other modules than this run: {'; '.join(facts)}",
        "Set lora.target_modules, exclude_modules and layers_to_transform as its run did.",
        "lora.target_modules",
    )


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
    names = ModelNames(
        linears=[name for name, module in model.named_modules() if isinstance(module, nn.Linear)],
        parameters=[name for name, _ in model.named_parameters()],
        modules=[name for name, _ in model.named_modules()],
    )
    if problems := lora_problems(names, settings, config.model):
        first, *others = problems
        more = "".join(f". {problem}" for problem in others)
        raise TrainingError(f"{first.key}: {first.message}", f"{first.hint}{more}", first.key)
    targets = resolve_target_modules(names.linears, settings, config.model)
    target_parameters = resolve_target_parameters(names.parameters, settings, config.model)
    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        revision=revision,
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(targets),
        target_parameters=list(target_parameters) or None,
        modules_to_save=list(settings.modules_to_save) or None,
        trainable_token_indices=_token_indices(model, settings) or None,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        init_lora_weights=settings.init_lora_weights,
        eva_config=EVA_CONFIG if settings.init_lora_weights == "eva" else None,
        bias=settings.bias,
        rank_pattern=dict(settings.rank_pattern),
        alpha_pattern=dict(settings.alpha_pattern),
    )


def _token_indices(model: PreTrainedModel, settings: LoraSettings) -> list[int]:
    """Return the ids of the tokens whose embeddings are trained, each once.

    Raises:
        TrainingError: the model has no token of that id.
    """
    indices = sorted(set(settings.trainable_token_indices))
    embeddings: Any = model.get_input_embeddings()
    rows: int = embeddings.num_embeddings
    if beyond := [index for index in indices if index >= rows]:
        raise TrainingError(
            f"lora.trainable_token_indices: the model has no token {', '.join(map(str, beyond))}: "
            f"its embeddings are those of tokens 0 to {rows - 1}",
            "Look up the ids with the tokenizer of the model; tokens that are added to it need a "
            "model whose embeddings were resized.",
            "lora.trainable_token_indices",
        )
    return indices


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
