"""The weights that ``quantization:`` quantizes, by their names alone.

The estimate and the training job agree because both ask here. Whether bitsandbytes can convert a
module is another question, which only the model answers.
"""

from __future__ import annotations

from deepsynth_tui.config.model import QuantizationSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.lora_targets import resolve_modules_to_save, resolve_target_parameters
from deepsynth_tui.models.towers import Tower, tower_of


def is_quantized_tower(tower: Tower, quantization: QuantizationSettings) -> bool:
    """Whether ``quantization.towers`` names this tower.

    An audio encoder goes with the vision tower. Parts that only generate images or sound are
    quantized in any case, as nothing of them runs; the head never is.
    """
    match tower:
        case "language" | "vision" | "projector":
            return tower in quantization.towers
        case "audio":
            return "vision" in quantization.towers
        case "other":
            return True
        case "head":
            return False


def is_quantized_linear(module: str, config: TrainingConfig) -> bool:
    """Whether a linear module is quantized: those of ``lora.modules_to_save`` are trained."""
    return (
        config.quantization.enabled
        and is_quantized_tower(tower_of(module), config.quantization)
        and not resolve_modules_to_save((module,), config.lora)
    )


def is_quantized_experts(parameter: str, config: TrainingConfig) -> bool:
    """Whether a fused expert parameter is quantized.

    bitsandbytes has no 8-bit form of them, and PEFT needs the full weights of those that
    ``lora.target_parameters`` adapts.
    """
    quantization = config.quantization
    return (
        quantization.enabled
        and quantization.bits == 4
        and quantization.quantize_experts
        and is_quantized_tower(tower_of(parameter), quantization)
        and not resolve_target_parameters((parameter,), config.lora, config.model)
    )
