"""The closed form agrees with the simulation, on models small enough to simulate in a second.

``tests/benchmarks/estimate_accuracy.py`` prints the same for models of real sizes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.training.simulation.simulate import simulate_step
from tests.estimate.models import layout_of
from tests.training.simulation.models import architecture, configuration, simulated

WITHIN = 0.10
RESERVED_WITHIN = 0.12
FREE = {"model": {"freeze_vision_tower": False}}
FULL = {"lora": {"enabled": False}}
RECOMPUTED = {"checkpointing": True}
UNCOPIED = {"lora": {"lora_dropout": 0.0}}  # inputs of adapters
OFFLOADED = {"training": {"gradient_checkpointing": "offloaded"}}
HALF_OF_THE_LAYERS = {"training": {"checkpoint_every_n_layers": 2}}


@pytest.mark.parametrize(
    ("model_type", "options"),
    [
        ("llama", RECOMPUTED),
        ("llama", {"bits": 8}),
        ("qwen3", {"rows": 2} | RECOMPUTED),
        ("qwen3", FULL),
        ("qwen3", {"training": {"optim": "adafactor", "bf16": False}}),
        ("qwen3", {"training": {"optim": "muon"}} | FULL),
        ("qwen3_5_text", {"rows": 2}),
        ("qwen3_5_text", RECOMPUTED),
        ("qwen3_5_text", FULL),
        ("qwen3_moe", {"rows": 2}),
        ("llama", {"rows": 4, "training": {"padding_free": True}}),
        ("qwen3_vl", {"rows": 2, "training": {"padding_free": True}} | RECOMPUTED),
        ("qwen3_moe", {"bits": 4} | RECOMPUTED),
        ("qwen2_5_vl", {"bits": 4} | FREE | RECOMPUTED),
        ("qwen3_vl", {"rows": 2, "bits": 8}),
        ("qwen3_vl", FREE | RECOMPUTED),
        ("smolvlm", FREE),
        ("smolvlm", {"rows": 2, "bits": 4}),
        ("deepseek_ocr2", RECOMPUTED),
        ("internvl", FREE | RECOMPUTED),
        ("granite_docling", FREE),
        ("lighton_ocr", {"rows": 2} | RECOMPUTED),
        ("lighton_ocr", {"rows": 4} | FREE | RECOMPUTED),
        ("glm_ocr", FREE),
        ("glm_ocr", FREE | RECOMPUTED),
        ("paddleocr_vl", FREE | RECOMPUTED),
        ("deepseek_ocr2", FREE | RECOMPUTED),
        ("llama", RECOMPUTED | HALF_OF_THE_LAYERS),
        ("qwen3", {"rows": 4, "model": {"attn_implementation": "flash_attention_2"}}),
        ("qwen3_vl", FREE | RECOMPUTED | HALF_OF_THE_LAYERS),
        ("llama", RECOMPUTED | UNCOPIED),
        ("llama", {"rows": 4} | OFFLOADED),
        ("qwen3_vl", FREE | OFFLOADED),
        ("qwen3", {"rows": 2} | UNCOPIED),
        ("qwen3_moe", {"bits": 8} | UNCOPIED),
        ("smolvlm", FREE | UNCOPIED),
        ("deepseek_ocr2", {"bits": 4, "training": {"gradient_accumulation_steps": 1}}),
    ],
    ids=str,
)
def test_the_peak_is_the_simulated_one(model_type: str, options: dict[str, Any]):
    config = configuration(**options)
    memory = simulated(model_type, config)
    computed = estimate(config, layout_of(model_type, architecture(model_type), "model"), gpus=())
    assert memory.allocated == sum(memory.by_category.values())
    assert computed.peak_allocated == pytest.approx(memory.allocated, rel=WITHIN)
    assert memory.allocated <= memory.min_capacity <= memory.reserved


@pytest.mark.parametrize("model_type", ["llama", "qwen3"])  # the head of qwen3 is tied
@pytest.mark.parametrize("length", [64, 512])
def test_the_tables_of_trained_tokens(model_type: str, length: int) -> None:
    hub_config = architecture(model_type)
    hub_config.config.vocab_size = 100_000
    config = configuration(
        checkpointing=True,
        lora={"trainable_token_indices": [1, 2]},
        data={"max_length": length},
    )
    memory = simulate_step(config, hub_config, None, RowStatistics())
    layout = layout_of(f"{model_type}-100000", hub_config, "model")
    computed = estimate(config, layout, gpus=())
    assert computed.peak_allocated == pytest.approx(memory.allocated, rel=0.01)


@pytest.mark.parametrize(
    ("model_type", "options"),
    [
        ("qwen3_vl", {"rows": 2}),
        ("qwen3_vl", {"rows": 4} | RECOMPUTED),
        ("qwen2_5_vl", {"bits": 4} | RECOMPUTED),
        ("smolvlm", {"rows": 2}),
        ("internvl", {}),
        ("granite_docling", {"rows": 2}),
        ("lighton_ocr", RECOMPUTED),
        ("deepseek_ocr2", RECOMPUTED),
    ],
    ids=str,
)
def test_the_peak_with_cached_features_is_the_simulated_one(
    model_type: str, options: dict[str, Any]
):
    config = configuration(**options, training={"cache_features": "on"})
    memory = simulated(model_type, config, cached_features=True)
    layout = layout_of(model_type, architecture(model_type), "model")
    layout = replace(layout, takes_features=True)
    computed = estimate(config, layout, gpus=())
    assert computed.page_features is not None
    assert computed.peak_allocated == pytest.approx(memory.allocated, rel=WITHIN)
    assert memory.allocated < simulated(model_type, config).allocated


@pytest.mark.parametrize(
    ("model_type", "options"),
    [
        ("llama", {"rows": 16} | RECOMPUTED),
        ("llama", {"rows": 16} | RECOMPUTED | FULL),
        ("qwen3", {"rows": 32}),
        ("qwen3", {"rows": 32} | RECOMPUTED | UNCOPIED),
        ("qwen3_moe", {"rows": 32} | RECOMPUTED),
        ("smolvlm", {"rows": 8, "bits": 4}),
        ("qwen3_vl", {"rows": 8, "bits": 8} | RECOMPUTED),
    ],
    ids=str,
)
def test_reserved_memory_is_the_simulated_one(model_type: str, options: dict[str, Any]):
    config = configuration(**options)
    memory = simulated(model_type, config)
    computed = estimate(config, layout_of(model_type, architecture(model_type), "model"), gpus=())
    reserved = computed.peak_allocated + computed.cached
    assert reserved == pytest.approx(memory.reserved, rel=RESERVED_WITHIN)
