"""The modules and parameters that LoRA adapts follow from their names and the settings."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.model import LoraSettings, ModelSettings
from deepsynth_tui.models.lora_targets import (
    resolve_modules_to_save,
    resolve_target_modules,
    resolve_target_parameters,
)
from deepsynth_tui.models.towers import tower_of
from tests.estimate import models


def targets_of(
    architecture: str, model: ModelSettings | None = None, **lora: object
) -> tuple[str, ...]:
    """Return the target modules in a small model, with these LoRA settings."""
    linears = models.layout(architecture).linears
    return resolve_target_modules(
        linears, LoraSettings.model_validate(lora), model or ModelSettings()
    )


def test_all_linear_is_every_linear_of_the_language_model():
    targets = targets_of("deepseek_ocr2")
    assert {tower_of(name) for name in targets} == {"language"}
    assert "lm_head" not in targets
    assert len(targets) == 3 * 4 + 3 + 2 * 3  # attention, one dense MLP, two of shared experts


def test_suffixes_match_no_module_of_a_frozen_vision_tower():
    suffixes = ["q_proj", "gate_proj"]
    frozen = targets_of("deepseek_ocr2", target_modules=suffixes)
    assert all("vision" not in name for name in frozen)
    free = ModelSettings(freeze_vision_tower=False)
    targets = targets_of("deepseek_ocr2", free, target_modules=suffixes)
    assert any("vision_encoder" in name for name in targets)


def test_unfreezing_the_projector_adds_only_its_modules():
    free = ModelSettings(freeze_projector=False)
    added = set(targets_of("qwen3_vl", free)) - set(targets_of("qwen3_vl"))
    assert added
    assert all("merger" in name for name in added)


@pytest.mark.parametrize("tower", ["language", "vision", "projector"])
def test_a_tower_selects_every_linear_in_it(tower: str):
    free = ModelSettings(freeze_vision_tower=False, freeze_projector=False)
    all_linears = targets_of("qwen3_vl", free)
    expected = tuple(name for name in all_linears if tower_of(name) == tower)
    assert expected
    assert targets_of("qwen3_vl", free, target_modules=tower) == expected
    assert targets_of("qwen3_vl", free, target_modules=[tower]) == expected
    others = targets_of("qwen3_vl", free, exclude_modules=[tower])
    assert set(others) == set(all_linears) - set(expected)


def test_towers_and_names_can_be_combined():
    free = ModelSettings(freeze_projector=False)
    targets = targets_of("qwen3_vl", free, target_modules=["projector", "q_proj"])
    assert {tower_of(name) for name in targets} == {"language", "projector"}
    assert all(name.endswith("q_proj") for name in targets if tower_of(name) == "language")


def test_a_string_is_a_regular_expression_over_the_whole_name():
    targets = targets_of("qwen3", target_modules=r".*layers\.[01]\.self_attn\.(q|v)_proj")
    assert len(targets) == 4
    assert targets_of("qwen3", target_modules="q_proj") == ()


def test_layers_exclusions_and_saved_modules_are_left_out():
    assert all(".layers.2." in name for name in targets_of("qwen3", layers_to_transform=[2]))
    mlp = ["down_proj", "up_proj", "gate_proj"]
    assert not any("mlp" in name for name in targets_of("qwen3", exclude_modules=mlp))
    targets = targets_of("qwen3", target_modules=["q_proj", "o_proj"], modules_to_save=["o_proj"])
    assert targets
    assert not any("o_proj" in name for name in targets)


def test_expert_parameters_are_selected_by_suffix():
    parameters = models.layout("deepseek_ocr2").parameters
    lora = LoraSettings(target_parameters=["experts.down_proj"])
    targets = resolve_target_parameters(parameters, lora, ModelSettings())
    assert [name.split(".")[3] for name in targets] == ["1", "2"]
    assert resolve_target_parameters(parameters, LoraSettings(), ModelSettings()) == ()


def test_no_modules_are_saved_by_default():
    assert resolve_modules_to_save(["a.lm_head", "a.norm"], LoraSettings()) == ()
