"""The activation formulas match the tensors that autograd saves, for real models on the CPU.

The CPU differs from CUDA only in dropout (its mask is wider), so dropout is off here.
``tests/training/simulation`` compares whole steps.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.activations import Batch, activation_memory
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.models import layout_server
from deepsynth_tui.models.dimensions import text_dimensions
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.lora_targets import resolve_target_modules
from deepsynth_tui.training.modeling.lora import skip_casts_under_autocast
from tests.estimate.models import configure
from tests.estimate.storages import SavedTensors

TOKENS = 256
WIDTHS = {
    "hidden_size": 384,
    "intermediate_size": 640,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "tie_word_embeddings": False,
}
KINDS: dict[str, tuple[Any, Any, dict[str, int]]] = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {}),
    "moe": (
        Qwen3MoeForCausalLM,
        Qwen3MoeConfig,
        {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 192},
    ),
}
LORA = {"r": 8, "lora_dropout": 0.0}


def make(kind: str, layers: int) -> tuple[PreTrainedModel, ModelLayout]:
    model_class, config_class, extra = KINDS[kind]
    config = config_class(vocab_size=64, num_hidden_layers=layers, **WIDTHS, **extra)
    torch.manual_seed(0)
    model = model_class(config).to(torch.bfloat16)
    layout = ModelLayout(
        name=kind,
        revision=None,
        role="model",
        architecture=model_class.__name__,
        origin="folder",
        weights=layout_server.group_weights(model),
        text=text_dimensions(config),
        image=None,
    )
    return model, layout


def attach(model: PreTrainedModel, layout: ModelLayout, config: TrainingConfig) -> torch.nn.Module:
    if not config.lora.enabled:
        return model.train()
    targets = resolve_target_modules(layout.linears, config.lora, config.model)
    lora = LoraConfig(r=config.lora.r, target_modules=list(targets), lora_dropout=0.0)
    trained = get_peft_model(model, lora).train()
    skip_casts_under_autocast(trained)
    return trained


def saved_bytes(kind: str, layers: int, config: TrainingConfig) -> tuple[int, int]:
    """Return the bytes that `layers` layers save: measured, and by the formula."""
    model, layout = make(kind, layers)
    trained = attach(model, layout, config)
    ids = torch.randint(0, 64, (1, TOKENS))
    saved = SavedTensors(trained.parameters())
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=config.training.bf16)
    with saved, autocast:
        model.model(input_ids=ids)
    trainable = count_trainable(config, layout)
    return saved.total, activation_memory(config, layout, trainable, Batch(1, TOKENS)).saved


QV = LORA | {"target_modules": ["q_proj", "v_proj"]}
FREE = {"gradient_checkpointing": False}


@pytest.mark.parametrize(
    ("kind", "lora", "bf16"),
    [
        ("llama", LORA, True),
        ("llama", QV, True),
        ("llama", LORA | {"target_modules": ["up_proj", "o_proj"]}, True),
        ("llama", LORA, False),
        ("llama", {"enabled": False}, True),
        ("qwen3", LORA, True),
        ("qwen3", {"enabled": False}, True),
    ],
)
def test_saved_bytes_of_a_layer_match_the_formula(kind: str, lora: dict[str, Any], bf16: bool):
    config = configure(lora=lora, training=FREE | {"bf16": bf16})
    few, more = saved_bytes(kind, 2, config), saved_bytes(kind, 4, config)
    measured, computed = more[0] - few[0], more[1] - few[1]
    assert computed == pytest.approx(measured, rel=0.02)


def test_saved_bytes_of_an_expert_layer_match_the_formula():
    config = configure(lora=LORA | {"target_modules": ["q_proj"]}, training=FREE)
    few, more = saved_bytes("moe", 2, config), saved_bytes("moe", 4, config)
    assert more[1] - few[1] == pytest.approx(more[0] - few[0], rel=0.10)
