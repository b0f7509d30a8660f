"""What a person should know about an estimate: assumptions, and traps of this configuration."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import is_quantized
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.image_tokens import PageSize, page_tokens
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.lora_targets import unmatched_targets


def estimate_warnings(
    config: TrainingConfig,
    profile: ModelLayout,
    encoder: ModelLayout | None,
    trainable: TrainableParameters,
    dataset: RowStatistics,
    length: int,
) -> tuple[str, ...]:
    """Sentences for the panel and the CLI, the gravest first."""
    return (
        *_nothing_learns(config, profile, trainable),
        *_rows(config, dataset),
        *_pages(config, profile, dataset.page, length),
        *_experts(config, profile, trainable),
        *_encoder(config, encoder),
        *_sharing(config),
    )


def _nothing_learns(
    config: TrainingConfig, profile: ModelLayout, trainable: TrainableParameters
) -> Iterator[str]:
    if trainable.total == 0:
        yield "Nothing is trained: no module matches lora.target_modules in a tower that is free."
    elif config.lora.enabled:
        missing = unmatched_targets(profile.linears, config.lora)
        if missing:
            yield f"The model has no linear called {', '.join(missing)} (lora.target_modules)."
    if config.quantization.enabled and not config.lora.enabled:
        yield "Quantised weights cannot be trained: switch lora.enabled on, or quantization off."


def _rows(config: TrainingConfig, dataset: RowStatistics) -> Iterator[str]:
    cap = config.data.max_length
    if dataset.lengths and dataset.lengths[-1] > cap:
        longest = dataset.lengths[-1]
        yield (
            f"The longest row has {longest} tokens, and the run refuses rows of more than {cap}: "
            f"raise data.max_length to {longest}, lower model.max_pixels, or make shorter pages."
        )
    if dataset.note:
        taken = "" if dataset.lengths else f" Rows of {cap} tokens (data.max_length) are assumed."
        yield f"{dataset.note}{taken}"


def _pages(
    config: TrainingConfig, profile: ModelLayout, page: PageSize | None, length: int
) -> Iterator[str]:
    if profile.image is None or page is None:
        return
    tokens = page_tokens(page, profile.image, config.model)
    if tokens is not None and tokens >= length:
        yield (
            f"A page of {page.width} x {page.height} pixels takes {tokens} tokens, but "
            f"data.max_length leaves {length}: raise it, or set model.max_pixels."
        )


def _experts(
    config: TrainingConfig, profile: ModelLayout, trainable: TrainableParameters
) -> Iterator[str]:
    fused = [group for group in profile.weights if group.kind == "fused_experts"]
    if not fused:
        return
    parameters = sum(group.parameters for group in fused)
    share = f"{parameters / 1e9:.2f} of {profile.total_params / 1e9:.2f} billion parameters"
    adapted = any(group.kind == "fused_experts" for group in trainable.targets.values())
    wide = [group for group in fused if not is_quantized(group.first_name, group, config)]
    if config.quantization.enabled and wide:
        yield (
            f"Fused experts ({share}) stay in {config.model.dtype}: bitsandbytes quantises "
            "them only in 4 bits with quantization.quantize_experts, and not where adapted."
        )
    if config.lora.enabled and not adapted:
        yield (
            f"Fused experts ({share}) are no linear modules, so lora.target_modules leaves them "
            "out; lora.target_parameters reaches them."
        )
    if adapted and config.lora.lora_dropout > 0:
        yield "lora.target_parameters works only with lora.lora_dropout 0 (PEFT)."


def _encoder(config: TrainingConfig, encoder: ModelLayout | None) -> Iterator[str]:
    if config.text_encoder.enabled and encoder is None:
        yield f"The text encoder {config.text_encoder.name_or_path} is not counted yet."


def _sharing(config: TrainingConfig) -> Iterator[str]:
    if config.training.fsdp:
        yield (
            "Memory with training.fsdp is computed and was never measured on GPUs; times leave out "
            "the gathering of layers. While loading, each process holds the whole model in main "
            "memory."
        )
