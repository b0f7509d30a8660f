"""Warnings about an estimate: its assumptions, and mistakes in the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import offloaded_bytes
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import is_quantized
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.image_tokens import PageSize, page_tokens
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.lora_problems import lora_problems
from deepsynth_tui.units import format_bytes

_TOO_LONG = {
    "error": "the run refuses rows of more than {cap}: raise data.max_length to {longest}, lower "
    "model.max_pixels, or make shorter pages.",
    "drop": "the run leaves out rows of more than {cap}, or refuses if that is more than half of "
    "them: raise data.max_length to {longest} to keep all.",
    "shorten": "the run cuts the text of rows of more than {cap}, or refuses if more than half of "
    "a text would go: raise data.max_length to {longest} to keep all.",
}
"""What happens to rows of more than `cap` tokens, by `data.on_too_long`."""


def estimate_warnings(
    config: TrainingConfig,
    layout: ModelLayout,
    encoder: ModelLayout | None,
    trainable: TrainableParameters,
    dataset: RowStatistics,
    length: int,
) -> tuple[str, ...]:
    """Return sentences for the panel and the command line, the most serious first."""
    return (
        *_nothing_learns(config, layout, trainable),
        *_half_precision(config, trainable),
        *_rows(config, dataset),
        *_pages(config, layout, dataset.page, length),
        *_linear_attention(layout),
        *_experts(config, layout, trainable),
        *_encoder(config, encoder),
        *_fsdp(config),
        *_offloaded(config, layout, length),
    )


def _nothing_learns(
    config: TrainingConfig, layout: ModelLayout, trainable: TrainableParameters
) -> Iterator[str]:
    problems = lora_problems(layout.names, config.lora, config.model)
    for problem in problems:
        yield f"The run refuses these settings: {problem}."
    if trainable.total == 0 and not problems:
        yield "Nothing is trained: every tower is frozen."
    if config.quantization.enabled and not config.lora.enabled:
        yield "Quantized weights cannot be trained: set lora.enabled, or disable quantization."


def _half_precision(config: TrainingConfig, trainable: TrainableParameters) -> Iterator[str]:
    if config.model.dtype == "bfloat16" and (trainable.module_copies or trainable.in_place):
        yield (
            "Weights that are trained directly (lora.modules_to_save, lora.bias, or all without "
            "LoRA) are bfloat16, which rounds updates below 1/256 of a weight away: set "
            "model.dtype to float32."
        )


def _rows(config: TrainingConfig, dataset: RowStatistics) -> Iterator[str]:
    cap = config.data.max_length
    if dataset.lengths and dataset.lengths[-1] > cap:
        longest = dataset.lengths[-1]
        consequence = _TOO_LONG[config.data.on_too_long].format(cap=cap, longest=longest)
        yield f"The longest row has {longest} tokens, and {consequence}"
    if dataset.note:
        assumed = "" if dataset.lengths else f" Rows of {cap} tokens (data.max_length) are assumed."
        yield f"{dataset.note}{assumed}"


def _pages(
    config: TrainingConfig, layout: ModelLayout, page: PageSize | None, length: int
) -> Iterator[str]:
    if layout.image is None:
        return
    if layout.image.rule == "unknown":
        yield (
            f"The size of a page is not known for {layout.architecture}: the estimate leaves out "
            "the memory and the work of its vision tower."
        )
    if page is None:
        return
    tokens = page_tokens(page, layout.image, config.model)
    if tokens is not None and tokens >= length:
        yield (
            f"A page of {page.width} x {page.height} pixels takes {tokens} tokens, but "
            f"data.max_length allows {length}: raise it, or set model.max_pixels."
        )


def _linear_attention(layout: ModelLayout) -> Iterator[str]:
    if not any(".linear_attn." in group.pattern for group in layout.weights):
        return
    if layout.architecture.startswith("Qwen3_5"):
        yield (
            f"The memory of the layers of linear attention in {layout.architecture} is that of the "
            "code in transformers, and their time is not known. With the packages "
            "flash-linear-attention and causal-conv1d they take less of both."
        )
    else:
        yield (
            f"{layout.architecture} has layers of linear attention that this estimate does not "
            "know: its memory may be several times too low. `deepsynth-tui estimate --simulate` "
            "counts them."
        )


def _experts(
    config: TrainingConfig, layout: ModelLayout, trainable: TrainableParameters
) -> Iterator[str]:
    fused = [group for group in layout.weights if group.kind == "fused_experts"]
    if not fused:
        return
    parameters = sum(group.parameters for group in fused)
    share = f"{parameters / 1e9:.2f} of {layout.total_params / 1e9:.2f} billion parameters"
    adapted = any(group.kind == "fused_experts" for group in trainable.targets.values())
    unquantized = [group for group in fused if not is_quantized(group.first_name, group, config)]
    if config.quantization.enabled and unquantized:
        yield (
            f"Fused experts ({share}) stay in {config.model.dtype}: they are quantized only in 4 "
            "bits with quantization.quantize_experts, in the quantization.towers, and not if they "
            "are adapted."
        )
    if config.lora.enabled and not adapted:
        yield (
            f"Fused experts ({share}) are not linear modules, so lora.target_modules does not "
            "match them. Use lora.target_parameters."
        )
    if adapted and config.lora.lora_dropout > 0:
        yield "PEFT supports lora.target_parameters only with lora.lora_dropout 0."


def _encoder(config: TrainingConfig, encoder: ModelLayout | None) -> Iterator[str]:
    if config.text_encoder.enabled and encoder is None:
        name = config.text_encoder.name_or_path
        yield f"The estimate does not include the text encoder {name} yet."


def _fsdp(config: TrainingConfig) -> Iterator[str]:
    if config.training.fsdp:
        yield (
            "Memory with training.fsdp is computed and was never measured on GPUs. Times do not "
            "include the all-gather of layers. While loading, each rank holds the whole model in "
            "main memory."
        )


def _offloaded(config: TrainingConfig, layout: ModelLayout, length: int) -> Iterator[str]:
    tokens = config.training.per_device_train_batch_size * length
    if size := offloaded_bytes(config, layout, tokens):
        yield f"{format_bytes(int(size))} of layer inputs are kept in main memory, for each GPU."
