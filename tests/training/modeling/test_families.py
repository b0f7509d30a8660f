"""The whole job by model family: load, train for two steps, save, verify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training import family_models, ocr_models, small_models
from tests.training.conftest import Run

pytestmark = pytest.mark.slow

FOUR_BIT = {"quantization__enabled": True}
ALL_TOWERS = {"model__freeze_vision_tower": False, "model__freeze_projector": False}
EIGHT_BIT = {"quantization__enabled": True, "quantization__bits": 8}


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (small_models.qwen3_vl, {}),
        (small_models.qwen3_vl, FOUR_BIT),
        (small_models.qwen3_vl, EIGHT_BIT),
        (family_models.qwen2_5_vl, {}),
        (family_models.qwen2_5_vl, {"model__freeze_vision_tower": False}),
        (family_models.qwen3_vl_moe, FOUR_BIT),
        (family_models.smolvlm, {}),
        (family_models.gemma3, {}),
        (ocr_models.granite_docling, {}),
        (ocr_models.paddleocr_vl, {}),
        (ocr_models.paddleocr_vl, ALL_TOWERS),
        (ocr_models.glm_ocr, {}),
        (ocr_models.lighton_ocr, FOUR_BIT),
        (ocr_models.qwen3_5, FOUR_BIT),
        (ocr_models.internvl, {}),
        (family_models.qwen3, {}),
        (family_models.qwen3, FOUR_BIT),
        (family_models.qwen3, EIGHT_BIT),
    ],
)
def test_a_family_trains_and_its_adapter_loads(
    run: Run, tmp_path: Path, make: Callable[[Path], Path], changes: dict[str, Any]
) -> None:
    folder = make(tmp_path / "model")
    ran = run(**changes, model__name_or_path=str(folder), training__max_steps=2)

    assert ran.verdict == "completed", ran.failure
    verification = ran.of("done")[-1].data["verification"]
    assert verification["reproduces"]
    assert verification["changes_the_base"]
    for count in ran.of("learning")[0].data["towers"].values():
        assert count["with_gradient"] == count["moved"] == count["adapters"] > 0
