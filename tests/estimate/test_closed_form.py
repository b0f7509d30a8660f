"""The estimate as a whole: its contract, its terms, and what must rise and fall together."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsynth_tui.config.training import TrainingConfig, TrainingSettings
from deepsynth_tui.estimate.closed_form import Estimate, estimate
from deepsynth_tui.estimate.memory.fsdp import sharded_layer_bytes
from deepsynth_tui.estimate.memory.optimizer import optimizer_state_bytes
from deepsynth_tui.estimate.memory.weights import weight_bytes
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.units import GIB
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


def of(config: TrainingConfig, name: str = DENSE, **given: Any) -> Estimate:
    return estimate(config, models.shipped(name), gpus=load_catalogue(), **given)


def test_the_contract_of_the_json():
    found = of(configure(), DEFAULT).to_json()
    assert found.keys() >= KEYS
    assert found["breakdown_bytes"].keys() == ITEMS
    assert all(isinstance(size, int) for size in found["breakdown_bytes"].values())
    assert isinstance(found["peak_allocated_bytes"], int)
    assert isinstance(found["peak_device_bytes"], int)
    names = [gpu.name for gpu in load_catalogue()]
    for key in ("gpu_fit", "gpu_headroom_bytes", "seconds_per_step", "cost"):
        assert list(found[key]) == names
    for name, seconds in found["seconds_per_step"].items():
        low, high = found["seconds_per_step_range"][name]
        assert low < seconds < high
    assert all(isinstance(fits, bool) for fits in found["gpu_fit"].values())
    assert found["source"] == "closed_form"
    assert found["total_params"] == 3_389_119_360
    assert found["trainable_params_millions"] == found["trainable_params"] / 1e6


def test_the_headline_is_its_items_and_decides_the_fit():
    for name in (DEFAULT, DENSE):
        found = of(configure(), name)
        data = found.to_json()
        assert sum(data["breakdown_bytes"].values()) == data["estimated_vram_gb"] * GIB
        without = found.needed - data["breakdown_bytes"]["overhead"]
        assert without == found.peak_allocated < found.needed <= found.peak_device
        for row in found.gpus:
            assert data["gpu_fit"][row.gpu.name] == (found.needed <= row.gpu.usable_bytes)
            assert row.headroom == row.gpu.usable_bytes - found.needed


def weights(**quantization: Any) -> int:
    return weight_bytes(configure(quantization=quantization), models.shipped(DENSE))


def test_weights_by_format():
    profile = models.shipped(DENSE)
    wide = weights()
    assert wide == 2 * profile.total_params
    converted = sum(group.parameters for group in profile.weights if group.convertible)
    four, double = weights(enabled=True, double_quant=False), weights(enabled=True)
    assert (four - (wide - 2 * converted)) / converted == pytest.approx(0.5625, rel=1e-4)
    assert (double - (wide - 2 * converted)) / converted == pytest.approx(0.516, rel=1e-3)
    eight = weights(enabled=True, bits=8)
    assert (eight - (wide - 2 * converted)) / converted == pytest.approx(1.0, rel=5e-3)
    assert double < four < eight < wide


def test_the_head_stays_wide_and_saved_modules_with_it():
    quantised = configure(quantization={"enabled": True})
    saved = configure(quantization={"enabled": True}, lora={"modules_to_save": ["o_proj"]})
    profile = models.shipped(DENSE)
    assert weight_bytes(saved, profile) > weight_bytes(quantised, profile)


def test_fused_experts_are_quantised_only_when_asked():
    profile = models.shipped(DEFAULT)
    experts = sum(g.parameters for g in profile.weights if g.kind == "fused_experts")
    assert experts == 2_422_210_560
    asked = configure(quantization={"enabled": True})
    not_asked = configure(quantization={"enabled": True, "quantize_experts": False})
    saved = weight_bytes(not_asked, profile) - weight_bytes(asked, profile)
    assert saved == pytest.approx(experts * (2 - 0.516), rel=1e-3)
    assert any("Fused experts" in text for text in of(not_asked, DEFAULT).warnings)
    eight = of(configure(quantization={"enabled": True, "bits": 8}), DEFAULT)
    assert any("stay in bfloat16" in text for text in eight.warnings)


@pytest.mark.parametrize("optim", get_args(TrainingSettings.model_fields["optim"].annotation))
def test_every_optimizer_offered_has_a_rule(optim: str):
    assert 0 <= optimizer_state_bytes(optim, 10**6, 4, smaller_side=16) <= 8 * 10**6


def test_optimizers_in_order_of_size():
    sizes = [
        of(configure(lora={"enabled": False}, training={"optim": optim})).breakdown["optimizer"]
        for optim in ("sgd", "adafactor", "lion_8bit", "adamw_8bit", "adamw_torch_fused")
    ]
    assert sizes == sorted(set(sizes))


def test_checkpointing_lowers_activations():
    on, off = (
        of(configure(training={"gradient_checkpointing": switch})) for switch in (True, False)
    )
    assert on.breakdown["activations"] < off.breakdown["activations"]
    assert on.needed < off.needed


def test_an_unfrozen_vision_tower_costs_activations_and_parameters():
    frozen = of(configure())
    free = of(configure(model={"freeze_vision_tower": False}))
    assert free.trainable_params > frozen.trainable_params
    assert free.needed > frozen.needed
    assert free.trainable_by_tower["vision"] == free.trainable_params - frozen.trainable_params


def test_text_encoder():
    encoder = models.shipped("Qwen/Qwen3-Embedding-0.6B", "encoder")
    sizes = []
    for trainable in ("frozen", "lora", "full"):
        config = configure(text_encoder={"enabled": True, "trainable": trainable})
        found = of(config, encoder=encoder)
        sizes.append(found.breakdown["text_encoder"])
        assert found.total_params > models.shipped(DENSE).total_params + 595_776_512
    assert sizes == sorted(set(sizes))
    assert sizes[0] > 2 * 595_776_512
    unknown = of(configure(text_encoder={"enabled": True}))
    assert unknown.breakdown["text_encoder"] == 0
    assert any("text encoder" in text for text in unknown.warnings)


def test_a_page_larger_than_the_row_is_pointed_out():
    found = of(
        configure(data={"max_length": 512}), dataset=RowStatistics(page=PageSize(1240, 1754))
    )
    assert any("max_pixels" in text for text in found.warnings)
    assert not any(
        "max_pixels" in t
        for t in of(configure(), dataset=RowStatistics(page=PageSize(640, 640))).warnings
    )


def test_traps_are_pointed_out():
    nothing = of(configure(lora={"target_modules": ["no_such_module"]}))
    assert nothing.trainable_params == 0
    assert any("Nothing is trained" in text for text in nothing.warnings)
    partly = of(configure(lora={"target_modules": ["q_proj", "Wqkv"]}))
    assert any("Wqkv" in text for text in partly.warnings)
    full = of(configure(lora={"enabled": False}, quantization={"enabled": True}))
    assert any("cannot be trained" in text for text in full.warnings)
    dropout = of(configure(lora={"target_parameters": ["experts.down_proj"]}), DEFAULT)
    assert any("lora_dropout" in text for text in dropout.warnings)


def test_measured_lengths_take_the_place_of_the_cap():
    assert of(configure(), dataset=RowStatistics(lengths=(300, 700))).tokens_per_sample == 700
    assert (
        of(configure(), dataset=RowStatistics(lengths=(300, 700))).needed < of(configure()).needed
    )
    assert of(configure()).tokens_per_sample == TrainingConfig().data.max_length


def test_cost_needs_a_price_and_a_number_of_steps():
    unknown = of(configure()).to_json()
    assert set(unknown["cost"].values()) == {None}
    known = of(configure(training={"max_steps": 100}))
    for row in known.gpus:
        assert (row.cost is None) == (row.gpu.price_per_hour is None)
    twice = of(configure(training={"max_steps": 200}))
    assert twice.gpus[0].cost == pytest.approx(2 * (known.gpus[0].cost or 0))
    rows = of(configure(training={"num_train_epochs": 2.0}), dataset=RowStatistics(rows=80))
    assert rows.steps == 20  # 80 rows, 8 a step, twice


def test_full_fine_tuning_is_the_reference_of_speed():
    assert of(configure(lora={"enabled": False})).speed_multiplier == pytest.approx(1.0)
    few = configure(lora={"target_modules": ["q_proj", "v_proj"]})
    assert of(few).speed_multiplier > 1.0


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


def built(choice: dict[str, Any]) -> TrainingConfig:
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
def test_more_never_takes_less(choice: dict[str, Any], name: str):
    here = of(built(choice), name)
    more = {
        "batch": choice["batch"] + 1,
        "length": choice["length"] * 2,
        "rank": choice["rank"] * 2,
        "accumulation": 8,
    }
    for key, value in more.items():
        assert of(built(choice | {key: value}), name).needed >= here.needed, key
    if choice["checkpointing"]:
        assert of(built(choice | {"checkpointing": False}), name).needed >= here.needed
    weight = {
        bits: of(built(choice | {"bits": bits}), name).breakdown["weights"] for bits in (4, 8, None)
    }
    assert weight[4] < weight[8] < weight[None]


@settings(max_examples=30)
@given(choice=CONFIGS)
def test_every_figure_is_a_size(choice: dict[str, Any]):
    found = of(built(choice))
    assert all(size >= 0 for size in found.breakdown.values())
    assert all(row.seconds_per_step > 0 for row in found.gpus)


def test_layers_that_are_shared_out_leave_a_part_here():
    def weights(processes: int, *, fsdp: bool) -> int:
        training = {"num_processes": processes, "fsdp": fsdp}
        config = configure(quantization={"enabled": True}, training=training)
        found = of(config)
        assert any("training.fsdp" in said for said in found.warnings) == fsdp
        return found.breakdown["weights"]

    whole = weights(2, fsdp=False)
    two, four = weights(2, fsdp=True), weights(4, fsdp=True)
    config = configure(quantization={"enabled": True})
    layers = sharded_layer_bytes(config, models.shipped(DENSE))
    shared, gathered = sum(layers.values()), 2 * max(layers.values())
    assert two == whole - shared + -(-shared // 2) + gathered
    assert four == whole - shared + -(-shared // 4) + gathered
    assert four < two < whole
