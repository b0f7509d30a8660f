"""The closed-form estimate: its JSON keys, its terms, and how they change with the settings."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig

from deepsynth_tui.config.model import TARGET_TOWERS
from deepsynth_tui.config.training import TrainingConfig, TrainingSettings
from deepsynth_tui.estimate import closed_form
from deepsynth_tui.estimate.memory.fsdp import sharded_layer_bytes
from deepsynth_tui.estimate.memory.optimizer import optimizer_state_bytes
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.memory.vision import vision_memory
from deepsynth_tui.estimate.memory.weights import loading_bytes, weight_bytes
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.hub_config import HubConfig
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.units import GIB, format_bytes
from tests.estimate import models
from tests.estimate.models import configure

DEFAULT = "deepseek-community/DeepSeek-OCR-2"
DENSE = "Qwen/Qwen3-VL-4B-Instruct"
KEYS = {
    "estimated_vram_gb",
    "trainable_params",
    "trainable_params_millions",
    "total_params",
    "gpu_fit",
    "speed_multiplier",
    "peak_allocated_bytes",
    "peak_device_bytes",
    "breakdown_bytes",
    "tokens_per_sample",
    "seconds_per_step",
    "seconds_per_step_range",
    "cost",
    "source",
    "warnings",
}
ITEMS = {
    "weights",
    "adapters",
    "gradients",
    "optimizer",
    "activations",
    "logits",
    "text_encoder",
    "overhead",
}


def mixture_of_experts() -> ModelLayout:
    """Return the layout of Qwen3-VL-30B-A3B, from the shapes in its config.json on the Hub."""
    text = {
        "hidden_size": 2048,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "vocab_size": 151936,
        "tie_word_embeddings": False,
    }
    vision = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 2048}
    config = AutoConfig.for_model(
        "qwen3_vl_moe", text_config=text, vision_config=vision, tie_word_embeddings=False
    )
    return models.layout_of("qwen3_vl_moe", HubConfig(config, {}, "folder"), "model")


def estimate_for(config: TrainingConfig, name: str = DENSE, **options: Any) -> Estimate:
    return closed_form.estimate(config, models.shipped(name), gpus=load_catalogue(), **options)


def test_json_keys_and_types():
    estimate = estimate_for(configure(), DEFAULT).to_json()
    assert estimate.keys() >= KEYS
    assert estimate["breakdown_bytes"].keys() == ITEMS
    assert all(isinstance(size, int) for size in estimate["breakdown_bytes"].values())
    assert isinstance(estimate["peak_allocated_bytes"], int)
    assert isinstance(estimate["peak_device_bytes"], int)
    names = [gpu.name for gpu in load_catalogue()]
    for key in ("gpu_fit", "gpu_headroom_bytes", "seconds_per_step", "cost"):
        assert list(estimate[key]) == names
    for name, seconds in estimate["seconds_per_step"].items():
        low, high = estimate["seconds_per_step_range"][name]
        assert low < seconds < high
    assert all(isinstance(fits, bool) for fits in estimate["gpu_fit"].values())
    assert estimate["source"] == "closed_form"
    assert estimate["total_params"] == 3_389_119_360
    assert estimate["trainable_params_millions"] == estimate["trainable_params"] / 1e6


def test_total_equals_the_sum_of_items_and_decides_the_fit():
    for name in (DEFAULT, DENSE):
        # With `auto`, each GPU has its own answer.
        estimate = estimate_for(configure(training={"gradient_checkpointing": True}), name)
        data = estimate.to_json()
        assert sum(data["breakdown_bytes"].values()) == data["estimated_vram_gb"] * GIB
        without_overhead = estimate.needed - data["breakdown_bytes"]["overhead"]
        assert without_overhead == estimate.peak_allocated < estimate.needed <= estimate.peak_device
        for row in estimate.gpus:
            assert data["gpu_fit"][row.gpu.name] == (estimate.needed <= row.gpu.usable_bytes)
            assert row.headroom == row.gpu.usable_bytes - estimate.needed


def weights(**quantization: Any) -> int:
    return weight_bytes(configure(quantization=quantization), models.shipped(DENSE))


def test_weights_by_format():
    layout = models.shipped(DENSE)
    wide = weights()
    assert wide == 2 * layout.total_params
    converted = sum(g.parameters for g in layout.weights if g.convertible and g.tower == "language")
    four, double = weights(enabled=True, double_quant=False), weights(enabled=True)
    assert (four - (wide - 2 * converted)) / converted == pytest.approx(0.5625, rel=1e-4)
    assert (double - (wide - 2 * converted)) / converted == pytest.approx(0.516, rel=1e-3)
    eight = weights(enabled=True, bits=8)
    assert (eight - (wide - 2 * converted)) / converted == pytest.approx(1.0, rel=5e-3)
    assert double < four < eight < wide


def test_only_the_named_towers_are_quantised():
    layout = models.shipped(DENSE)
    sizes = {
        tower: sum(g.parameters for g in layout.weights if g.convertible and g.tower == tower)
        for tower in TARGET_TOWERS
    }
    language = weights(enabled=True)
    for others in (["vision"], ["projector"], ["vision", "projector"]):
        saved = language - weights(enabled=True, towers=["language", *others])
        assert saved == pytest.approx((2 - 0.516) * sum(sizes[t] for t in others), rel=2e-3)


def test_only_a_quantised_vision_tower_keeps_int8_inputs():
    open_tower = {"freeze_vision_tower": False}

    def saved(**quantization: Any) -> int:
        config = configure(model=open_tower, quantization=quantization)
        layout = models.shipped(DENSE)
        trainable = count_trainable(config, layout)
        return vision_memory(config, layout, trainable, PageSize(1024, 1024), 2048).saved

    eight = {"enabled": True, "bits": 8}
    assert saved(**eight) == saved()
    assert saved(**eight, towers=["vision"]) > saved()


def test_a_30b_mixture_of_experts_loads_on_a_24_gb_card():
    config = configure(
        quantization={"enabled": True},
        training={"per_device_train_batch_size": 1, "optim": "adamw_8bit"},
        data={"max_length": 2048},
    )
    layout = mixture_of_experts()
    assert layout.total_params == pytest.approx(31.07e9, rel=0.01)
    largest = max(g.elements for g in layout.weights if g.kind == "fused_experts")
    loading = loading_bytes(config, layout)
    assert loading == weight_bytes(config, layout) + 2 * 2 * largest
    estimate = closed_form.estimate(config, layout, gpus=load_catalogue())
    assert estimate.to_json()["gpu_fit"]["RTX 3090 (24GB)"]
    assert loading < 0.4 * 2 * layout.total_params


@pytest.mark.parametrize(
    ("model_type", "warning"),
    [
        ("mistral3", "leaves out the memory"),
        ("qwen3_5", "layers of linear attention in Qwen3_5"),
        ("qwen3_next", "linear attention that this estimate does not know"),
    ],
)
def test_what_the_formulas_do_not_know_is_said(model_type: str, warning: str):
    hub_config = HubConfig(AutoConfig.for_model(model_type), {}, "folder")
    layout = models.layout_of(model_type, hub_config, "model")
    texts = closed_form.estimate(configure(), layout, gpus=()).warnings
    assert len([text for text in texts if warning in text]) == 1
    assert not any(warning in text for text in estimate_for(configure()).warnings)


def test_saved_modules_are_not_quantised():
    quantised = configure(quantization={"enabled": True})
    saved = configure(quantization={"enabled": True}, lora={"modules_to_save": ["o_proj"]})
    layout = models.shipped(DENSE)
    assert weight_bytes(saved, layout) > weight_bytes(quantised, layout)


def test_fused_experts_are_quantised_only_if_enabled():
    layout = models.shipped(DEFAULT)
    experts = sum(g.parameters for g in layout.weights if g.kind == "fused_experts")
    assert experts == 2_422_210_560
    quantised_experts = configure(quantization={"enabled": True})
    plain_experts = configure(quantization={"enabled": True, "quantize_experts": False})
    saved = weight_bytes(plain_experts, layout) - weight_bytes(quantised_experts, layout)
    assert saved == pytest.approx(experts * (2 - 0.516), rel=1e-3)
    assert any("Fused experts" in text for text in estimate_for(plain_experts, DEFAULT).warnings)
    eight = estimate_for(configure(quantization={"enabled": True, "bits": 8}), DEFAULT)
    assert any("stay in bfloat16" in text for text in eight.warnings)


@pytest.mark.parametrize("optim", get_args(TrainingSettings.model_fields["optim"].annotation))
def test_every_optimizer_has_a_state_size(optim: str):
    assert 0 <= optimizer_state_bytes(optim, 10**6, 4, smaller_side=16) <= 8 * 10**6


def test_optimizers_are_ordered_by_size():
    sizes = [
        estimate_for(configure(lora={"enabled": False}, training={"optim": optim})).breakdown[
            "optimizer"
        ]
        for optim in ("sgd", "adafactor", "lion_8bit", "adamw_8bit", "adamw_torch_fused")
    ]
    assert sizes == sorted(set(sizes))


def test_checkpointing_lowers_activations():
    on, off = (
        estimate_for(configure(training={"gradient_checkpointing": switch}))
        for switch in (True, False)
    )
    assert on.breakdown["activations"] < off.breakdown["activations"]
    assert on.needed < off.needed


def test_offloaded_inputs_take_main_memory_and_time():
    config = configure(training={"gradient_checkpointing": "offloaded"})
    kept = estimate_for(configure(training={"gradient_checkpointing": True}))
    offloaded = estimate_for(config)
    text = models.shipped(DENSE).text
    inputs = 2 * text.layers * text.hidden * config.data.max_length
    assert kept.peak_allocated - offloaded.peak_allocated <= inputs
    assert offloaded.peak_allocated < kept.peak_allocated
    (warning,) = (line for line in offloaded.warnings if "main memory" in line)
    assert format_bytes(inputs) in warning
    for with_copies, without in zip(offloaded.gpus, kept.gpus, strict=True):
        assert with_copies.seconds_per_step > without.seconds_per_step


def test_an_unfrozen_vision_tower_adds_memory_and_parameters():
    frozen = estimate_for(configure())
    free = estimate_for(configure(model={"freeze_vision_tower": False}))
    assert free.trainable_params > frozen.trainable_params
    assert free.needed > frozen.needed
    assert free.trainable_by_tower["vision"] == free.trainable_params - frozen.trainable_params


def test_text_encoder_memory():
    encoder = models.shipped("Qwen/Qwen3-Embedding-0.6B", "encoder")
    sizes = []
    for trainable in ("frozen", "lora", "full"):
        config = configure(text_encoder={"enabled": True, "trainable": trainable})
        estimate = estimate_for(config, encoder=encoder)
        sizes.append(estimate.breakdown["text_encoder"])
        assert estimate.total_params > models.shipped(DENSE).total_params + 595_776_512
    assert sizes == sorted(set(sizes))
    assert sizes[0] > 2 * 595_776_512
    unknown = estimate_for(configure(text_encoder={"enabled": True}))
    assert unknown.breakdown["text_encoder"] == 0
    assert any("text encoder" in text for text in unknown.warnings)


def test_a_page_larger_than_the_row_gives_a_warning():
    estimate = estimate_for(
        configure(data={"max_length": 512}), dataset=RowStatistics(page=PageSize(1240, 1754))
    )
    assert any("max_pixels" in text for text in estimate.warnings)
    assert not any(
        "max_pixels" in t
        for t in estimate_for(configure(), dataset=RowStatistics(page=PageSize(640, 640))).warnings
    )


def test_wrong_settings_give_warnings():
    untrained = estimate_for(configure(lora={"target_modules": ["no_such_module"]}))
    assert untrained.trainable_params == 0
    assert any("no linear layer no_such_module" in text for text in untrained.warnings)
    partly = estimate_for(configure(lora={"target_modules": ["q_proj", "Wqkv"]}))
    assert any("Wqkv" in text for text in partly.warnings)
    full = estimate_for(configure(lora={"enabled": False}, quantization={"enabled": True}))
    assert any("cannot be trained" in text for text in full.warnings)
    dropout = estimate_for(configure(lora={"target_parameters": ["experts.down_proj"]}), DEFAULT)
    assert any("lora_dropout" in text for text in dropout.warnings)


def test_counted_lengths_replace_the_length_limit():
    assert (
        estimate_for(configure(), dataset=RowStatistics(lengths=(300, 700))).tokens_per_sample
        == 700
    )
    assert (
        estimate_for(configure(), dataset=RowStatistics(lengths=(300, 700))).needed
        < estimate_for(configure()).needed
    )
    assert estimate_for(configure()).tokens_per_sample == TrainingConfig().data.max_length


def test_cost_needs_a_price_and_the_number_of_steps():
    unknown = estimate_for(configure()).to_json()
    assert set(unknown["cost"].values()) == {None}
    priced = estimate_for(configure(training={"max_steps": 100}))
    for row in priced.gpus:
        assert (row.cost is None) == (row.gpu.price_per_hour is None)
    twice = estimate_for(configure(training={"max_steps": 200}))
    assert twice.gpus[0].cost == pytest.approx(2 * (priced.gpus[0].cost or 0))
    rows = estimate_for(
        configure(training={"num_train_epochs": 2.0}), dataset=RowStatistics(rows=80)
    )
    assert rows.steps == 20  # 80 rows, 8 a step, twice


def test_speed_is_relative_to_full_fine_tuning():
    assert estimate_for(configure(lora={"enabled": False})).speed_multiplier == pytest.approx(1.0)
    few = configure(lora={"target_modules": ["q_proj", "v_proj"]})
    assert estimate_for(few).speed_multiplier > 1.0


CONFIGS = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 16),
        "length": st.sampled_from([64, 512, 2048, 8192]),
        "rank": st.sampled_from([1, 4, 16, 128]),
        "checkpointing": st.booleans(),
        "bits": st.sampled_from([None, 4, 8]),
        "lora": st.booleans(),
        "free": st.booleans(),
        "accumulation": st.sampled_from([1, 4]),
        "optim": st.sampled_from(["adamw_torch", "adamw_8bit", "sgd"]),
    }
)


def config_of(choice: dict[str, Any]) -> TrainingConfig:
    quantization = {"enabled": True, "bits": choice["bits"]} if choice["bits"] else {}
    return configure(
        model={"freeze_vision_tower": not choice["free"]},
        lora={"enabled": choice["lora"], "r": choice["rank"]},
        quantization=quantization,
        data={"max_length": choice["length"]},
        training={
            "per_device_train_batch_size": choice["batch"],
            "gradient_checkpointing": choice["checkpointing"],
            "gradient_accumulation_steps": choice["accumulation"],
            "optim": choice["optim"],
        },
    )


@settings(max_examples=30)
@given(choice=CONFIGS, name=st.sampled_from([DEFAULT, DENSE]))
def test_memory_never_decreases_when_a_setting_grows(choice: dict[str, Any], name: str):
    base = estimate_for(config_of(choice), name)
    more = {
        "batch": choice["batch"] + 1,
        "length": choice["length"] * 2,
        "rank": choice["rank"] * 2,
        "accumulation": 8,
    }
    for key, value in more.items():
        grown = estimate_for(config_of(choice | {key: value}), name)
        assert grown.peak_allocated >= base.peak_allocated, key
        assert grown.needed >= base.needed, key
    if choice["checkpointing"]:
        stored = estimate_for(config_of(choice | {"checkpointing": False}), name)
        assert stored.peak_allocated >= base.peak_allocated
        assert stored.needed >= base.needed
    weight = {
        bits: estimate_for(config_of(choice | {"bits": bits}), name).breakdown["weights"]
        for bits in (4, 8, None)
    }
    assert weight[4] < weight[8] < weight[None]


@settings(max_examples=30)
@given(choice=CONFIGS)
def test_sizes_and_times_are_not_negative(choice: dict[str, Any]):
    estimate = estimate_for(config_of(choice))
    assert all(size >= 0 for size in estimate.breakdown.values())
    assert all(row.seconds_per_step > 0 for row in estimate.gpus)


def test_fsdp_keeps_a_share_of_the_layers_on_each_gpu():
    def weights_per_gpu(processes: int, *, fsdp: bool) -> int:
        training = {"num_processes": processes, "fsdp": fsdp}
        config = configure(quantization={"enabled": True}, training=training)
        estimate = estimate_for(config)
        assert any("training.fsdp" in text for text in estimate.warnings) == fsdp
        return estimate.breakdown["weights"]

    whole = weights_per_gpu(2, fsdp=False)
    two, four = weights_per_gpu(2, fsdp=True), weights_per_gpu(4, fsdp=True)
    config = configure(quantization={"enabled": True})
    layers = sharded_layer_bytes(config, models.shipped(DENSE))
    shared, gathered = sum(layers.values()), 2 * max(layers.values())
    assert two == whole - shared + -(-shared // 2) + gathered
    assert four == whole - shared + -(-shared // 4) + gathered
    assert four < two < whole


def test_each_gpu_that_has_room_keeps_the_activations() -> None:
    auto, off, on = (
        estimate_for(configure(training={"gradient_checkpointing": switch}))
        for switch in ("auto", False, True)
    )
    assert (auto.breakdown, auto.needed) == (on.breakdown, on.needed)
    chosen = []
    for row, without, recomputed in zip(auto.gpus, off.gpus, on.gpus, strict=True):
        has_room = off.needed <= 0.9 * row.gpu.usable_bytes
        assert row == (without if has_room else recomputed)
        chosen.append(has_room)
    assert len(set(chosen)) == 2


def test_activations_of_fewer_layers_take_between_all_and_none() -> None:
    settings: list[dict[str, Any]] = [
        {"gradient_checkpointing": True},
        {"gradient_checkpointing": True, "checkpoint_every_n_layers": 2},
        {"gradient_checkpointing": True, "checkpoint_every_n_layers": 4},
        {"gradient_checkpointing": False},
    ]
    estimates = [estimate_for(configure(training=training)) for training in settings]
    needed = [estimate.needed for estimate in estimates]
    assert needed == sorted(set(needed))
    seconds = [estimate.gpus[0].seconds_per_step for estimate in estimates]
    assert seconds == sorted(set(seconds), reverse=True)
