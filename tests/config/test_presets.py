"""The values in the presets, and the copies that users get."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import check_values, load_text
from deepsynth_tui.config.presets import GROUPS, compose, find_preset, list_presets
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.config.yaml_text import with_value


def with_preset(name: str) -> TrainingConfig:
    config = load_text(f"kind: training\ndata: {{path: x}}\nlora: {{preset: {name}}}\n").config
    assert isinstance(config, TrainingConfig)
    return config


@pytest.mark.parametrize(
    ("name", "r", "alpha", "dropout", "quantized", "bits"),
    [
        ("minimal", 4, 8, 0.05, False, 4),
        ("standard", 16, 32, 0.05, False, 4),
        ("high_capacity", 64, 128, 0.1, False, 4),
        ("qlora_4bit", 16, 32, 0.05, True, 4),
        ("qlora_8bit", 16, 32, 0.05, True, 8),
    ],
)
def test_values_of_lora_presets(
    name: str, r: int, alpha: int, dropout: float, quantized: bool, bits: int
):
    config = with_preset(name)
    assert (config.lora.r, config.lora.lora_alpha, config.lora.lora_dropout) == (r, alpha, dropout)
    assert (config.quantization.enabled, config.quantization.bits) == (quantized, bits)
    assert config.quantization.towers == ["language"]


def test_qlora_4bit_is_nf4_with_double_quantization_and_bfloat16_compute():
    quantization = with_preset("qlora_4bit").quantization
    assert quantization.quant_type == "nf4"
    assert quantization.double_quant
    assert quantization.compute_dtype == "bfloat16"


def test_presets_are_listed_from_light_to_heavy():
    assert [preset.name for preset in list_presets("lora")] == [
        "minimal",
        "standard",
        "high_capacity",
        "qlora_4bit",
        "qlora_8bit",
    ]
    assert [preset.name for preset in list_presets("training")] == [
        "quick_test",
        "standard",
        "high_quality",
        "memory_efficient",
        "fsdp_qlora",
    ]


@pytest.mark.parametrize(
    ("name", "r", "alpha", "rate", "rows"),
    [
        ("ms_swift_ocr", 8, 32, 1e-4, 16),
        ("deepseek_ocr_2_unsloth", 16, 16, 2e-4, 8),
        ("paddleocr_vl_unsloth", 64, 64, 5e-5, 8),
        ("olmocr_lora", 8, 32, 2e-5, 32),
    ],
)
def test_recipes_name_their_source(name: str, r: int, alpha: int, rate: float, rows: int):
    recipe = find_preset("recipes", name)
    assert recipe
    assert "# Source: " in recipe.text
    values = {"kind": "training", "data": {"path": "x"}}
    for key, value in recipe.changes.items():
        values = with_value(values, key, value)
    config = check_values(values).config
    assert isinstance(config, TrainingConfig)
    assert (config.lora.r, config.lora.lora_alpha) == (r, alpha)
    training = config.training
    assert training.learning_rate == rate
    step = training.per_device_train_batch_size * training.gradient_accumulation_steps
    assert step == rows


@pytest.mark.parametrize("group", GROUPS)
def test_every_preset_is_valid_and_has_a_title(group: str):
    kind = "dataset" if group == "dataset" else "training"
    required = {"source": {"path": "x"}} if kind == "dataset" else {"data": {"path": "x"}}
    for preset in list_presets(group):  # pyright: ignore[reportArgumentType]
        assert preset.title
        values = {"kind": kind, **required}
        for key, value in preset.changes.items():
            values = with_value(values, key, value)
        checked = check_values(values)
        assert checked.problems == ()
        assert isinstance(checked.config, DatasetConfig if kind == "dataset" else TrainingConfig)


def test_copies_of_presets_keep_their_comments():
    lora, training = find_preset("lora", "qlora_4bit"), find_preset("training", "standard")
    assert lora
    assert training
    text = compose((lora, training), {"lora.r": 8, "data.path": "x", "kind": "training"})
    for line in (lora.text + training.text).splitlines():
        if line.lstrip().startswith("#"):
            assert line in text
    config = load_text(text).config
    assert isinstance(config, TrainingConfig)
    assert config.lora.r == 8
    assert config.quantization.bits == 4
