"""What would make it fit: every answer is tried again, and nothing cheaper was passed over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsynth_tui.config.rules import broken_rules
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.fixes import MAX_BATCH_SIZE, cheapest_fixes, largest_batches
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


def grounds(name: str = DENSE, **given: Any) -> EstimateInputs:
    return EstimateInputs(models.shipped(name), gpus=load_catalogue(), **given)


def needed(config: TrainingConfig, found: EstimateInputs) -> int:
    return found.estimate(config).needed


def broken(config: TrainingConfig, one: Tweak) -> bool:
    """Whether a change breaks a rule that the configuration keeps."""
    kept = {problem.message for problem in broken_rules(config, ())}
    tried = broken_rules(with_values(config, one.values), ())
    return not {problem.message for problem in tried} <= kept


def with_rows(config: TrainingConfig, rows: int) -> TrainingConfig:
    return with_values(config, {"training.per_device_train_batch_size": rows})


@settings(max_examples=15)
@given(
    rooms=st.lists(st.integers(0, 200 * GIB), min_size=1, max_size=5), checkpointing=st.booleans()
)
def test_the_largest_batch_fits_and_one_more_does_not(rooms: list[int], checkpointing: bool):
    config = configure(training={"gradient_checkpointing": checkpointing})
    found = grounds()
    for room, rows in zip(rooms, largest_batches(config, found, rooms), strict=True):
        if rows:
            assert needed(with_rows(config, rows), found) <= room
        assert rows == MAX_BATCH_SIZE or needed(with_rows(config, rows + 1), found) > room


def test_a_batch_is_no_larger_than_the_dataset_and_the_search_ends():
    room = [10**15]
    assert largest_batches(configure(), grounds(dataset=RowStatistics(rows=37)), room) == (37,)
    assert largest_batches(configure(), grounds(), room) == (MAX_BATCH_SIZE,)


FULL = {"enabled": False}
CHECKPOINTING = {"training.gradient_checkpointing": True}
FEWER_ROWS = {
    "training.per_device_train_batch_size": 1,
    "training.gradient_accumulation_steps": 64,
}
FOUR_BITS = {"quantization.enabled": True, "quantization.bits": 4}


@pytest.mark.parametrize(
    ("sections", "change"),
    [
        ({"training": GREEDY | {"per_device_train_batch_size": 1}}, CHECKPOINTING),
        ({"training": {"per_device_train_batch_size": 8}}, FEWER_ROWS),
        ({}, FOUR_BITS),
        ({"lora": FULL}, {"training.optim": "adamw_torch_fused"}),
        ({"lora": FULL}, {"training.optim": "adamw_8bit"}),
        ({"lora": FULL}, {"lora.enabled": True}),
    ],
)
def test_the_change_that_is_just_enough(sections: dict[str, Any], change: dict[str, Any]):
    config, found = configure(**sections), grounds()
    room = needed(with_values(config, change), found)
    (remedy,) = cheapest_fixes(config, found, [room])
    assert remedy is not None
    assert remedy.changes == change
    assert (remedy.needed, remedy.headroom) == (room, 0)


@pytest.mark.parametrize("share", [0.95, 0.8, 0.6, 0.4, 0.2])
@pytest.mark.parametrize(
    "sections", [{"training": GREEDY}, {"lora": FULL}, {"training": GREEDY, "lora": FULL}]
)
def test_no_cheaper_change_was_passed_over(sections: dict[str, Any], share: float):
    config, found = configure(**sections), grounds()
    room = int(share * needed(config, found))
    single = [one for one in list_tweaks(config, found) if not broken(config, one)]
    fitting = [one for one in single if needed(with_values(config, one.values), found) <= room]
    (remedy,) = cheapest_fixes(config, found, [room])
    if fitting:
        assert remedy is not None
        chosen = next(tweak for tweak in fitting if tweak.values == remedy.changes)
        assert chosen.quality_cost == min(tweak.quality_cost for tweak in fitting)
    if remedy is not None:
        tried = with_values(config, remedy.changes)
        assert needed(tried, found) == remedy.needed == room - remedy.headroom <= room


def test_fewer_rows_at_once_keep_the_rows_of_a_step():
    config = configure(training=GREEDY | {"gradient_accumulation_steps": 3})
    for one in list_tweaks(config, grounds()):
        training = with_values(config, one.values).training
        rows = training.per_device_train_batch_size * training.gradient_accumulation_steps
        assert rows == 24


def test_two_changes_where_none_alone_is_enough_and_none_where_nothing_is():
    config, found = configure(training=GREEDY), grounds()
    room = needed(with_values(config, CHECKPOINTING | FEWER_ROWS), found)
    single = list_tweaks(config, found)
    assert all(needed(with_values(config, one.values), found) > room for one in single)
    pair, nothing = cheapest_fixes(config, found, [room, GIB])
    assert pair is not None
    assert pair.changes == CHECKPOINTING | FEWER_ROWS
    assert pair.needed == room
    assert nothing is None


def test_no_change_breaks_a_rule():
    """4-bit weights need LoRA, so full fine-tuning is offered both together or neither."""
    config = configure(lora={"enabled": False})
    both = FOUR_BITS | {"lora.enabled": True}
    room = needed(with_values(config, both), grounds())
    (remedy,) = cheapest_fixes(config, grounds(), [room])
    assert remedy is not None
    assert remedy.changes == both
    pissa = configure(lora={"init_lora_weights": "pissa"})
    (other,) = cheapest_fixes(pissa, grounds(), [room])
    assert other is None or "quantization.enabled" not in other.changes


def test_smaller_pages_only_where_image_tokens_follow_the_area():
    page = PageSize(1240, 1754)
    facts = RowStatistics(lengths=(2000, 2400), page=page, text=300, pages=1, counted=2, rows=2)
    found = grounds(dataset=facts, counted_for=configure().model)
    areas = [one.values for one in list_tweaks(configure(), found) if one.kind == "pixels"]
    assert areas
    sizes = [needed(with_values(configure(), values), found) for values in areas]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] < needed(configure(), found)
    for values in areas:
        assert values["model.max_pixels"] % 32**2 == 0
        assert 0.2 * 1240 * 1754 < values["model.max_pixels"] < 1240 * 1754
    tiles = grounds("HuggingFaceTB/SmolVLM2-256M-Video-Instruct")
    assert not [one for one in list_tweaks(configure(), tiles) if one.kind == "pixels"]


def test_rows_are_cut_to_no_length_that_is_known_to_be_needed():
    config = configure(data={"max_length": 8192})
    lengths = [one for one in list_tweaks(config, grounds()) if one.kind == "length"]
    assert [one.values["data.max_length"] for one in lengths] == [4096, 2048, 1024, 512]
    counted = grounds(dataset=RowStatistics(lengths=(100, 6000)))
    assert not [one for one in list_tweaks(config, counted) if one.kind == "length"]
    paged = grounds(dataset=RowStatistics(page=PageSize(1024, 1024)))  # 1024 tokens
    least = [
        one.values["data.max_length"] for one in list_tweaks(config, paged) if one.kind == "length"
    ]
    assert least == [4096, 2048]


def test_a_change_leaves_everything_else_as_it_is():
    config = configure(lora={"r": 8}, model={"dtype": "float16"})
    other = with_values(config, {"lora.r": 64, "model.max_pixels": 1000})
    assert (
        other.model_dump()
        == configure(lora={"r": 64}, model={"dtype": "float16", "max_pixels": 1000}).model_dump()
    )


def test_no_more_rows_are_taken_away_than_need_be():
    config = configure(training={"per_device_train_batch_size": 16})
    found = grounds()
    room = needed(with_values(config, {"training.per_device_train_batch_size": 2}), found)
    (remedy,) = cheapest_fixes(config, found, [room])
    assert remedy is not None
    assert remedy.changes == {
        "training.per_device_train_batch_size": 2,
        "training.gradient_accumulation_steps": 64,
    }
