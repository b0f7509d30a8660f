"""Merge an adapter into full-precision weights, or into what its quantized base computes with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.nn.utils.parametrize import is_parametrized
from transformers.integrations.bitsandbytes import dequantize_bnb_weight

from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.modeling.load import LoadedModel, load_model_and_processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

Onto = Literal["full", "dequantized"]
MEMORY_RESERVE = 1.2  # times the bytes of the weights: activations of a page, one shard to write


@dataclass(frozen=True, slots=True)
class Merged:
    """A model with the adapter in its weights. `notes` say what else of it was changed."""

    model: PreTrainedModel
    loaded: LoadedModel
    notes: tuple[str, ...]


def check_mergeable(adapter: Adapter) -> None:
    """Raise UserError for an adapter that no merged model would reproduce."""
    if adapter.reads_text_encoder:
        raise UserError(
            f"{adapter.name} reads its instructions with a text encoder, which is no part of the "
            "base model: a merged model would never get them",
            "Export it with `adapters export --to peft`, which keeps text_encoder/ beside it",
        )
    if not adapter.is_lora:
        raise UserError(
            f"{adapter.name} is a {adapter.peft['peft_type']} adapter", "Only LoRA can be merged"
        )


def merge(adapter: Adapter, onto: Onto) -> Merged:
    """Load the base and merge the adapter into it, module by module, in place.

    The base is loaded once, in the dtype it was trained with. For `dequantized`, the quantized one
    is in memory beside it until its weights are copied: a quarter or half more.

    Raises:
        UserError: the adapter does not fit the base model.
        OSError: the base model is missing.
    """
    config = answer_config(adapter)
    loaded = load_full_precision(config)
    model = loaded.model
    if onto == "dequantized":
        copy_dequantized(load_model_and_processor(config).model, model)
    was_tied = _is_tied(model)
    try:
        peft_model = PeftModel.from_pretrained(model, str(adapter.folder))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{adapter.name} does not fit {adapter.base}: {error}",
            "Use the files of the base model that it was trained on",
        ) from error
    if was_tied:
        _untie_adapted_embeddings(peft_model)
    tuner: Any = peft_model.base_model
    merged = tuner.merge_and_unload(safe_merge=True)
    merged.eval().requires_grad_(False)
    notes: tuple[str, ...] = ()
    if was_tied and not _is_tied(merged):
        for part in (merged.config, merged.config.get_text_config()):
            part.tie_word_embeddings = False
        notes = (
            "The base ties its output head to the input embeddings; the adapter changes only one "
            "of them, so the merged model stores both",
        )
    return Merged(merged, loaded, notes)


def load_full_precision(config: TrainingConfig) -> LoadedModel:
    """Load the base without quantization, onto the CPU where a GPU has no room for it."""
    unquantized = config.quantization.model_copy(update={"enabled": False})
    config = config.model_copy(update={"quantization": unquantized})
    loaded = load_model_and_processor(config, stay_on_cpu=torch.cuda.is_available())
    if torch.cuda.is_available():
        size = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
        free, _ = torch.cuda.mem_get_info()
        if size * MEMORY_RESERVE < free:
            nn.Module.to(loaded.model, torch.device("cuda", torch.cuda.current_device()))
    return loaded


def copy_dequantized(quantized: nn.Module, full: nn.Module) -> None:
    """Copy every quantized weight, dequantized, into the full-precision model of the same names."""
    for name, weight in dequantized_weights(quantized):
        parameter = full.get_parameter(name)
        with torch.no_grad():
            parameter.copy_(weight.to(parameter.dtype))


def dequantized_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the name and the values of every weight that bitsandbytes quantized."""
    for name, module in model.named_modules():
        if isinstance(module, Linear4bit | Linear8bitLt):
            weight: Any = module.weight
            state = module.state if isinstance(module, Linear8bitLt) else None
            yield f"{name}.weight", dequantize_bnb_weight(weight, state)
        elif is_parametrized(module) and not isinstance(module, BaseTunerLayer):
            for parameter in list(getattr(module, "parametrizations", {})):
                yield f"{name}.{parameter}", getattr(module, parameter)


def _is_tied(model: PreTrainedModel) -> bool:
    head: Any = model.get_output_embeddings()
    embeddings: Any = model.get_input_embeddings()
    if head is None:
        return False
    return head.weight.data_ptr() == embeddings.weight.data_ptr()


def _untie_adapted_embeddings(model: PeftModel) -> None:
    """Give the head weights of its own if LoRA adapts it or the input embeddings.

    Merging adds to the weights in place: shared ones would change in both.
    """
    base: Any = model.get_base_model()
    head, embeddings = base.get_output_embeddings(), base.get_input_embeddings()
    if any(isinstance(module, BaseTunerLayer) for module in (head, embeddings)):
        layer: Any = head.get_base_layer() if isinstance(head, BaseTunerLayer) else head
        layer.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
