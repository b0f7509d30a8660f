"""What cached page features cost and save: disk, the pass that encodes them, memory, step time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deepsynth_tui.estimate import closed_form
from deepsynth_tui.estimate.page_features import count_evaluations, passes_over_rows
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.models.image_tokens import PageSize
from tests.estimate import models
from tests.estimate.models import configure

OCR = "deepseek-community/DeepSeek-OCR-2"
QWEN = "Qwen/Qwen3-VL-4B-Instruct"
ROWS = RowStatistics(rows=1000, lengths=(1200, 1400), page=PageSize(1024, 1024))


def estimated(name: str, rows: RowStatistics = ROWS, **sections: Any) -> Estimate:
    layout = replace(models.shipped(name), takes_features=True)
    return closed_form.estimate(configure(**sections), layout, gpus=load_catalogue(), dataset=rows)


def cached(name: str, setting: str, **sections: Any) -> Estimate:
    training = {"cache_features": setting, **sections.pop("training", {})}
    return estimated(name, training=training, **sections)


def test_a_run_of_several_epochs_is_faster_and_smaller() -> None:
    off, on = cached(OCR, "off"), cached(OCR, "on")
    assert off.page_features is None
    assert on.page_features is not None
    assert on.page_features.passes == 3
    assert on.page_features.pages == 1000
    assert on.page_features.disk == 1000 * on.page_features.page
    tower = sum(
        group.count * group.elements * 2
        for group in models.shipped(OCR).weights
        if group.tower in ("vision", "projector")
    )
    assert off.breakdown["weights"] - on.breakdown["weights"] == tower
    assert on.breakdown["activations"] <= off.breakdown["activations"]
    for with_pixels, with_features in zip(off.gpus, on.gpus, strict=True):
        assert with_features.seconds_per_step < with_pixels.seconds_per_step
        assert with_features.encoding_seconds > with_pixels.encoding_seconds == 0
    long = {"training": {"num_train_epochs": 20.0}}
    costs = [[gpu.cost for gpu in cached(OCR, setting, **long).gpus] for setting in ("on", "off")]
    for with_features, with_pixels in zip(*costs, strict=True):
        assert with_features is None or with_pixels is None or with_features < with_pixels
    assert cached(OCR, "auto", **long).page_features == cached(OCR, "on", **long).page_features


@pytest.mark.parametrize(
    ("name", "tokens", "hidden", "copies"), [(OCR, 833, 1280, 1), (QWEN, 1024, 2560, 4)]
)
def test_bytes_of_a_page(name: str, tokens: int, hidden: int, copies: int) -> None:
    """Three layers of a Qwen3-VL get features of their own (DeepStack)."""
    features = cached(name, "on").page_features
    assert features is not None
    assert features.page == tokens * hidden * 2 * copies


@pytest.mark.parametrize(
    "sections",
    [
        {"training": {"num_train_epochs": 1.0}},
        {"training": {"max_steps": 5}},
        {"model": {"freeze_vision_tower": False}},
        {"model": {"freeze_projector": False}},
        {"training": {"fsdp": True, "num_processes": 2}},
    ],
)
def test_auto_leaves_it_where_it_saves_nothing_or_is_impossible(sections: dict[str, Any]) -> None:
    assert cached(OCR, "auto", **sections).page_features is None


def test_a_model_that_takes_pixels_only_is_estimated_with_them() -> None:
    config = configure(training={"cache_features": "on"})
    computed = closed_form.estimate(config, models.shipped(OCR), gpus=(), dataset=ROWS)
    assert computed.page_features is None


def test_passes() -> None:
    assert passes_over_rows(configure(), None) == 3
    assert passes_over_rows(configure(training={"max_steps": 9}), None) is None
    steps = {"max_steps": 100, "gradient_accumulation_steps": 8}
    assert passes_over_rows(configure(training=steps), 100) == 8
    held_out = configure(
        training=steps | {"eval_steps": 50, "eval_on_start": True}, data={"eval_fraction": 0.5}
    )
    assert passes_over_rows(held_out, 100) == (800 + 3 * 50) / 100


@pytest.mark.parametrize(
    ("settings", "steps", "evaluations"),
    [({}, 10, 1), ({"eval_steps": 5}, 10, 2), ({"eval_steps": 4}, 10, 3)],
)
def test_evaluations(settings: dict[str, Any], steps: int, evaluations: int) -> None:
    assert count_evaluations(configure(training=settings).training, steps) == evaluations
