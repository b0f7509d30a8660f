"""Fixes fit the available memory, and no cheaper tweak fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsynth_tui.config.rules import broken_rules
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.fixes import (
    MAX_BATCH_SIZE,
    cheapest_fixes,
    faster_batch,
    largest_batches,
)
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.estimate.tweaks import Tweak, list_tweaks, with_values
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.units import GIB
from tests.estimate import models
from tests.estimate.models import configure

DENSE = "Qwen/Qwen3-VL-4B-Instruct"
GREEDY = {"per_device_train_batch_size": 8, "gradient_checkpointing": False}


def inputs_for(name: str = DENSE, **options: Any) -> EstimateInputs:
    return EstimateInputs(models.shipped(name), gpus=load_catalogue(), **options)


def needed(config: TrainingConfig, inputs: EstimateInputs) -> int:
    return inputs.estimate(config).needed


def breaks_rule(config: TrainingConfig, tweak: Tweak) -> bool:
    """Return whether a tweak breaks a rule that the configuration does not break."""
    before = {problem.message for problem in broken_rules(config, ())}
    after = {problem.message for problem in broken_rules(with_values(config, tweak.values), ())}
    return not after <= before


def with_rows(config: TrainingConfig, rows: int) -> TrainingConfig:
    return with_values(config, {"training.per_device_train_batch_size": rows})


@settings(max_examples=15)
@given(
    sizes=st.lists(st.integers(0, 200 * GIB), min_size=1, max_size=5), checkpointing=st.booleans()
)
def test_the_largest_batch_fits_and_one_more_row_does_not(sizes: list[int], checkpointing: bool):
    config = configure(training={"gradient_checkpointing": checkpointing})
    inputs = inputs_for()
    for available, rows in zip(sizes, largest_batches(config, inputs, sizes), strict=True):
        if rows:
            assert needed(with_rows(config, rows), inputs) <= available
        assert rows == MAX_BATCH_SIZE or needed(with_rows(config, rows + 1), inputs) > available


def test_dataset_rows_and_the_maximum_limit_a_batch():
    sizes = [10**15]
    assert largest_batches(configure(), inputs_for(dataset=RowStatistics(rows=37)), sizes) == (37,)
    assert largest_batches(configure(), inputs_for(), sizes) == (MAX_BATCH_SIZE,)


FULL = {"enabled": False}
CHECKPOINTING = {"training.gradient_checkpointing": True}
FEWER_ROWS = {
    "training.per_device_train_batch_size": 1,
    "training.gradient_accumulation_steps": 64,
}
FOUR_BITS = {"quantization.enabled": True, "quantization.bits": 4}


@pytest.mark.parametrize(
    ("sections", "changes"),
    [
        ({"training": GREEDY | {"per_device_train_batch_size": 1}}, CHECKPOINTING),
        ({"training": {"per_device_train_batch_size": 8}}, FEWER_ROWS),
        ({}, FOUR_BITS),
        ({"lora": FULL}, {"training.optim": "adamw_torch_fused"}),
        ({"lora": FULL}, {"training.optim": "adamw_8bit"}),
        ({"lora": FULL}, {"lora.enabled": True}),
    ],
)
def test_a_fix_without_headroom_is_found(sections: dict[str, Any], changes: dict[str, Any]):
    config, inputs = configure(**sections), inputs_for()
    available = needed(with_values(config, changes), inputs)
    (fix,) = cheapest_fixes(config, inputs, [available])
    assert fix is not None
    assert fix.changes == changes
    assert (fix.needed, fix.headroom) == (available, 0)


@pytest.mark.parametrize("share", [0.95, 0.8, 0.6, 0.4, 0.2])
@pytest.mark.parametrize(
    "sections", [{"training": GREEDY}, {"lora": FULL}, {"training": GREEDY, "lora": FULL}]
)
def test_no_cheaper_tweak_fits(sections: dict[str, Any], share: float):
    config, inputs = configure(**sections), inputs_for()
    available = int(share * needed(config, inputs))
    tweaks = [tweak for tweak in list_tweaks(config, inputs) if not breaks_rule(config, tweak)]
    fitting = [
        tweak for tweak in tweaks if needed(with_values(config, tweak.values), inputs) <= available
    ]
    (fix,) = cheapest_fixes(config, inputs, [available])
    if fitting:
        assert fix is not None
        chosen = next(tweak for tweak in fitting if tweak.values == fix.changes)
        assert chosen.quality_cost == min(tweak.quality_cost for tweak in fitting)
    if fix is not None:
        fixed = with_values(config, fix.changes)
        assert needed(fixed, inputs) == fix.needed == available - fix.headroom <= available


def test_batch_tweaks_keep_the_rows_of_a_step():
    config = configure(training=GREEDY | {"gradient_accumulation_steps": 3})
    for tweak in list_tweaks(config, inputs_for()):
        training = with_values(config, tweak.values).training
        rows = training.per_device_train_batch_size * training.gradient_accumulation_steps
        assert rows == 24


def test_a_fix_is_a_pair_if_no_single_tweak_fits_and_none_if_no_pair_fits():
    config, inputs = configure(training=GREEDY), inputs_for()
    available = needed(with_values(config, CHECKPOINTING | FEWER_ROWS), inputs)
    tweaks = list_tweaks(config, inputs)
    assert all(needed(with_values(config, tweak.values), inputs) > available for tweak in tweaks)
    pair, no_fix = cheapest_fixes(config, inputs, [available, GIB])
    assert pair is not None
    assert pair.changes == CHECKPOINTING | FEWER_ROWS
    assert pair.needed == available
    assert no_fix is None


def test_no_fix_breaks_a_rule():
    """4-bit weights need LoRA, so a fix of full fine-tuning has both or neither."""
    config = configure(lora={"enabled": False})
    changes = FOUR_BITS | {"lora.enabled": True}
    available = needed(with_values(config, changes), inputs_for())
    (fix,) = cheapest_fixes(config, inputs_for(), [available])
    assert fix is not None
    assert fix.changes == changes
    pissa = configure(lora={"init_lora_weights": "pissa"})
    (pissa_fix,) = cheapest_fixes(pissa, inputs_for(), [available])
    assert pissa_fix is None or "quantization.enabled" not in pissa_fix.changes


def test_smaller_pages_are_listed_only_if_image_tokens_depend_on_the_area():
    page = PageSize(1240, 1754)
    statistics = RowStatistics(
        lengths=(2000, 2400), page=page, text=300, pages=1, counted=2, rows=2
    )
    inputs = inputs_for(dataset=statistics, counted_for=configure().model)
    limits = [tweak.values for tweak in list_tweaks(configure(), inputs) if tweak.kind == "pixels"]
    assert limits
    sizes = [needed(with_values(configure(), values), inputs) for values in limits]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] < needed(configure(), inputs)
    for values in limits:
        assert values["model.max_pixels"] % 32**2 == 0
        assert 0.2 * 1240 * 1754 < values["model.max_pixels"] < 1240 * 1754
    tiles = inputs_for("HuggingFaceTB/SmolVLM2-256M-Video-Instruct")
    assert not [tweak for tweak in list_tweaks(configure(), tiles) if tweak.kind == "pixels"]


def test_no_length_limit_is_below_the_known_lengths():
    def limits(inputs: EstimateInputs) -> list[int]:
        tweaks = list_tweaks(configure(data={"max_length": 8192}), inputs)
        return [tweak.values["data.max_length"] for tweak in tweaks if tweak.kind == "length"]

    assert limits(inputs_for()) == [4096, 2048, 1024, 512]
    assert not limits(inputs_for(dataset=RowStatistics(lengths=(100, 6000))))
    page = PageSize(1024, 1024)  # 1024 tokens
    assert limits(inputs_for(dataset=RowStatistics(page=page))) == [4096, 2048]


def test_with_values_changes_nothing_else():
    config = configure(lora={"r": 8}, model={"dtype": "float16"})
    changed = with_values(config, {"lora.r": 64, "model.max_pixels": 1000})
    assert (
        changed.model_dump()
        == configure(lora={"r": 64}, model={"dtype": "float16", "max_pixels": 1000}).model_dump()
    )


def test_a_fix_removes_no_more_rows_than_necessary():
    config = configure(training={"per_device_train_batch_size": 16})
    inputs = inputs_for()
    available = needed(with_values(config, {"training.per_device_train_batch_size": 2}), inputs)
    (fix,) = cheapest_fixes(config, inputs, [available])
    assert fix is not None
    assert fix.changes == {
        "training.per_device_train_batch_size": 2,
        "training.gradient_accumulation_steps": 64,
    }


def test_a_larger_batch_is_proposed_where_it_is_faster() -> None:
    one_by_one = configure(
        training={"per_device_train_batch_size": 1, "gradient_accumulation_steps": 16}
    )
    inputs = inputs_for("deepseek-community/DeepSeek-OCR-2")
    gpu = next(gpu for gpu in inputs.gpus if gpu.name == "H100 (80GB)")
    inputs = replace(inputs, gpus=(gpu,))
    available = gpu.usable_bytes
    (largest,) = largest_batches(one_by_one, inputs, [available])
    fix = faster_batch(one_by_one, inputs, available, largest)
    assert fix is not None
    variant = with_values(one_by_one, fix.changes)
    training = variant.training
    assert training.per_device_train_batch_size * training.gradient_accumulation_steps == 16
    assert fix.needed == needed(variant, inputs) <= available
    assert fix.effect.endswith("the result stays the same")
    before, after = (
        inputs.estimate_on(config, (gpu,)).gpus[0].seconds_per_step
        for config in (one_by_one, variant)
    )
    assert fix.seconds_per_step == after <= 0.9 * before
    # No larger batch fits, or a step has no more rows.
    assert faster_batch(one_by_one, inputs, available, 1) is None
    assert faster_batch(variant, inputs, available, largest) is None
