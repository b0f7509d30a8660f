"""Trainable counts equal PEFT's exactly for all small architectures."""

from __future__ import annotations

import pytest
from peft import LoraConfig, get_peft_model

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.models.lora_targets import resolve_target_modules, resolve_target_parameters
from tests.estimate import models
from tests.estimate.models import configure

SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
SETTINGS = {
    "all-linear": configure(lora={"r": 8}),
    "suffixes": configure(lora={"r": 16, "target_modules": SEVEN}),
    "free vision": configure(
        lora={"r": 4, "target_modules": SEVEN}, model={"freeze_vision_tower": False}
    ),
    "everything free": configure(model={"freeze_vision_tower": False, "freeze_projector": False}),
    "towers": configure(
        lora={"r": 4, "target_modules": ["language", "vision"]},
        model={"freeze_vision_tower": False, "freeze_projector": False},
    ),
    "tower and names": configure(
        lora={"target_modules": ["projector", "q_proj", "v_proj"]},
        model={"freeze_projector": False},
    ),
    "dora": configure(lora={"use_dora": True, "target_modules": ["q_proj", "down_proj"]}),
    "saved whole": configure(lora={"modules_to_save": ["lm_head", "embed_tokens"]}),
    "biases": configure(lora={"bias": "all"}),
    "own biases": configure(lora={"bias": "lora_only"}, model={"freeze_vision_tower": False}),
    "rank pattern": configure(lora={"rank_pattern": {"q_proj": 32, r"layers\.1\.mlp\..*": 2}}),
    "one layer": configure(lora={"layers_to_transform": [1], "use_rslora": True}),
}


def count_with_peft(config: TrainingConfig, architecture: str) -> tuple[int, int]:
    model = models.build(architecture)
    layout = models.layout(architecture)
    lora = config.lora
    parameters = resolve_target_parameters(layout.parameters, lora, config.model)
    attached = get_peft_model(
        model,
        LoraConfig(
            r=lora.r,
            target_modules=list(resolve_target_modules(layout.linears, lora, config.model)),
            target_parameters=list(parameters) or None,
            modules_to_save=lora.modules_to_save or None,
            use_dora=lora.use_dora,
            use_rslora=lora.use_rslora,
            bias=lora.bias,
            rank_pattern=lora.rank_pattern,
        ),
    )
    return attached.get_nb_trainable_parameters()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("architecture", models.SMALL)
def test_counts_equal_those_of_peft(architecture: str, setting: str):
    config = SETTINGS[setting]
    trainable, _ = count_with_peft(config, architecture)
    count = count_trainable(config, models.layout(architecture))
    assert count.total == trainable
    assert sum(count.by_tower.values()) == trainable


@pytest.mark.parametrize("architecture", ["deepseek_ocr2", "qwen3_moe"])
def test_each_fused_expert_gets_an_adapter(architecture: str):
    config = configure(lora={"target_parameters": EXPERTS, "lora_dropout": 0.0})
    trainable, _ = count_with_peft(config, architecture)
    assert count_trainable(config, models.layout(architecture)).total == trainable


@pytest.mark.parametrize("architecture", models.SMALL)
def test_full_fine_tuning_counts_all_parameters(architecture: str):
    model = models.build(architecture)
    layout = models.layout(architecture)
    assert layout.total_params == model.num_parameters()
    free = configure(
        lora={"enabled": False}, model={"freeze_vision_tower": False, "freeze_projector": False}
    )
    assert count_trainable(free, layout).total == model.num_parameters()
    frozen = count_trainable(configure(lora={"enabled": False}), layout)
    expected = layout.tower_params("language") + layout.tower_params("head")
    assert frozen.total == expected


DEFAULT = "deepseek-community/DeepSeek-OCR-2"


def test_published_counts_of_the_default_model():
    """The counts in the logs of Unsloth and ms-swift for DeepSeek-OCR (2), without experts.

    Those logs are of remote code with a linear per expert. Native transformers fuses the experts,
    and suffixes do not match them, so the adapters of 64 x 11 experts with three linears each are
    subtracted.
    """
    layout = models.shipped(DEFAULT)
    assert layout.total_params == 3_389_119_360
    experts = 64 * 11 * 3 * 16 * (1280 + 896)
    config = configure(lora={"r": 16, "target_modules": SEVEN})
    assert count_trainable(config, layout).total == 77_509_632 - experts
    free = configure(lora={"r": 16, "target_modules": SEVEN}, model={"freeze_vision_tower": False})
    count = count_trainable(free, layout)
    assert count.total == 86_307_840 - experts
    assert count.by_tower["vision"] == 8_798_208
    attention = configure(lora={"r": 16, "target_modules": SEVEN[:4]})
    assert count_trainable(attention, layout).total == 1_966_080


def test_published_counts_of_dense_models():
    """Millions of parameters with LoRA r=16, from the source of presets/models."""
    table = {
        "Qwen/Qwen2.5-VL-3B-Instruct": (7.37, 29.93),
        "Qwen/Qwen2.5-VL-7B-Instruct": (10.09, 40.37),
        "Qwen/Qwen3-VL-4B-Instruct": (11.80, 33.03),
        "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": (1.84, 4.88),
    }
    for name, (attention, all_linears) in table.items():
        layout = models.shipped(name)
        attention_count = count_trainable(configure(lora={"target_modules": SEVEN[:4]}), layout)
        assert round(attention_count.total / 1e6, 2) == attention
        assert round(count_trainable(configure(), layout).total / 1e6, 2) == all_linears
