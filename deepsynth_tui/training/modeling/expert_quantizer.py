"""Fused experts, quantized to 4 bits while the checkpoint is read.

transformers fuses the experts of a mixture of experts into one 3-D parameter for each layer, and
its quantizer of bitsandbytes converts `nn.Linear` only (bitsandbytes issue 1849). Quantizing them
once the model is loaded takes the memory of all experts in 16 bits. This quantizer has the loader
convert each parameter as soon as it is complete, so that one of them is in 16 bits at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from bitsandbytes.functional import QuantState, quantize_4bit
from bitsandbytes.nn.parametrize import replace_parameter_4bit_prequantized
from torch import nn
from transformers.integrations.bitsandbytes import Bnb4bitQuantize
from transformers.quantizers.auto import register_quantizer
from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module
from transformers.utils.quantization_config import BitsAndBytesConfig, QuantizationMethod

from deepsynth_tui.training.modeling.quantization import (
    EXPERTS_QUANT_METHOD,
    fused_expert_parameters,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ExpertQuantizer(Bnb4BitHfQuantizer):
    """transformers' 4-bit quantizer, for the fused experts too that `llm_int8_skip_modules` leaves.

    Attributes:
        expert_parameters: Full names of the fused experts that are quantized.
        states: What bitsandbytes needs to dequantize each, until the model is loaded.
    """

    def __init__(self, quantization_config: BitsAndBytesConfig, **kwargs: Any) -> None:
        super().__init__(quantization_config, **kwargs)
        quantization_config.quant_method = QuantizationMethod.BITS_AND_BYTES
        self.expert_parameters: frozenset[str] = frozenset()
        self.states: dict[str, QuantState] = {}

    def _process_model_before_weight_loading(
        self, model: PreTrainedModel, device_map: Any, **kwargs: Any
    ) -> None:
        super()._process_model_before_weight_loading(model, device_map, **kwargs)
        self.expert_parameters = frozenset(
            name
            for name in fused_expert_parameters(model)
            if should_convert_module(name, self.modules_to_not_convert)
        )

    def param_needs_quantization(
        self, model: PreTrainedModel, param_name: str, **kwargs: Any
    ) -> bool:
        """Return whether the loader converts this parameter."""
        return param_name in self.expert_parameters or super().param_needs_quantization(
            model, param_name, **kwargs
        )

    def get_quantize_ops(self) -> QuantizeExperts:
        """Return the operation that converts a parameter once its tensors are read."""
        return QuantizeExperts(self)

    def _process_model_after_weight_loading(
        self, model: PreTrainedModel, **kwargs: Any
    ) -> PreTrainedModel:
        for name, state in self.states.items():
            module_name, _, parameter = name.rpartition(".")
            module = model.get_submodule(module_name)
            device = getattr(module, parameter).device
            replace_parameter_4bit_prequantized(module, parameter, state.as_dict(), device)
        self.states.clear()
        return super()._process_model_after_weight_loading(model, **kwargs)


class QuantizeExperts(Bnb4bitQuantize):
    """Quantizes a fused expert parameter, or a linear as transformers does."""

    def __init__(self, quantizer: ExpertQuantizer) -> None:
        super().__init__(quantizer)
        self.quantizer = quantizer

    def convert(
        self,
        input_dict: dict[str, Any],
        full_layer_name: str | None = None,
        model: nn.Module | None = None,
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        """Return the quantized tensors by the full name of the parameter."""
        settings = self.quantizer.quantization_config
        converted: dict[str, torch.Tensor] = {}
        for name in list(input_dict):
            value = input_dict.pop(name)
            if name not in self.quantizer.expert_parameters:
                converted |= super().convert({name: value}, full_layer_name, model, **kwargs)
                continue
            weights = value[0] if isinstance(value, list) else value
            packed, self.quantizer.states[name] = quantize_4bit(
                weights,
                compress_statistics=settings.bnb_4bit_use_double_quant,
                quant_type=settings.bnb_4bit_quant_type,
            )
            converted[name] = nn.Parameter(packed, requires_grad=False)
        return converted


register_quantizer(EXPERTS_QUANT_METHOD)(ExpertQuantizer)
