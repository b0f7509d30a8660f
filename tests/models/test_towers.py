"""Names alone decide which tower a module belongs to, and which linears get adapters."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.training import LoraSettings, ModelSettings
from deepsynth_tui.models.lora_targets import (
    resolve_modules_to_save,
    resolve_target_modules,
    resolve_target_parameters,
    unmatched_targets,
)
from deepsynth_tui.models.towers import adapted_by_tower, tower_of
from tests.estimate import models

NAMES = {
    "language": [
        "model.layers.0.self_attn.q_proj",
        "model.language_model.layers.3.mlp.experts.gate_up_proj",
        "model.text_model.layers.1.mlp.down_proj",
        "language_model.model.layers.0.self_attn.q_proj",
        "encoder.layer.0.attention.self.query",
    ],
    "vision": [
        "model.vision_tower.sam_encoder.proj.conv1",
        "model.vision_tower.vision_encoder.layers.0.mlp.gate_proj",
        "model.visual.blocks.0.attn.qkv",
        "model.vision_model.encoder.layers.0.self_attn.out_proj",
        "model.vision_tower.head.attention.out_proj",
        "model.vision_tower.patch_embed.projection",
    ],
    "projector": [
        "model.multi_modal_projector",
        "model.visual.merger.linear_fc1",
        "model.visual.deepstack_merger_list.0.linear_fc2",
        "model.connector.modality_projection.proj",
        "model.view_separator",
        "model.aligner.fc1",
        "model.vision_model.vision_adapter.mlp.fc1",
    ],
    "audio": ["model.audio_tower.layers.0.fc1", "thinker.audio_tower.proj1"],
    "head": ["lm_head", "language_model.lm_head", "embed_out"],
    "other": ["model.vqmodel.encoder.conv_in", "model.generation_aligner.fc1"],
}


@pytest.mark.parametrize(
    ("tower", "name"), [(tower, name) for tower, names in NAMES.items() for name in names]
)
def test_tower_of_real_names(tower: str, name: str):
    assert tower_of(name) == tower


def targets(architecture: str, model: ModelSettings | None = None, **lora: object):
    names = models.profile(architecture).linears
    return resolve_target_modules(
        names, LoraSettings.model_validate(lora), model or ModelSettings()
    )


def test_all_linear_is_every_linear_of_the_language_model():
    found = targets("deepseek_ocr2")
    assert {tower_of(name) for name in found} == {"language"}
    assert "lm_head" not in found
    assert len(found) == 3 * 4 + 3 + 2 * 3  # attention, one dense MLP, two of shared experts


def test_suffixes_do_not_reach_a_frozen_vision_encoder_of_the_same_names():
    suffixes = ["q_proj", "gate_proj"]
    assert all("vision" not in name for name in targets("deepseek_ocr2", target_modules=suffixes))
    free = ModelSettings(freeze_vision_tower=False)
    found = targets("deepseek_ocr2", free, target_modules=suffixes)
    assert any("vision_encoder" in name for name in found)


def test_projector_is_freed_on_its_own():
    free = ModelSettings(freeze_projector=False)
    added = set(targets("qwen3_vl", free)) - set(targets("qwen3_vl"))
    assert added
    assert all("merger" in name for name in added)


@pytest.mark.parametrize("tower", ["language", "vision", "projector"])
def test_a_tower_is_every_linear_in_it(tower: str):
    free = ModelSettings(freeze_vision_tower=False, freeze_projector=False)
    everything = targets("qwen3_vl", free)
    wanted = tuple(name for name in everything if tower_of(name) == tower)
    assert wanted
    assert targets("qwen3_vl", free, target_modules=tower) == wanted
    assert targets("qwen3_vl", free, target_modules=[tower]) == wanted
    others = targets("qwen3_vl", free, exclude_modules=[tower])
    assert set(others) == set(everything) - set(wanted)


def test_a_tower_goes_together_with_names():
    free = ModelSettings(freeze_projector=False)
    found = targets("qwen3_vl", free, target_modules=["projector", "q_proj"])
    assert {tower_of(name) for name in found} == {"language", "projector"}
    assert all(name.endswith("q_proj") for name in found if tower_of(name) == "language")
    assert unmatched_targets(found, LoraSettings(target_modules=["projector", "vision"])) == (
        "vision",
    )


def test_adapted_modules_are_counted_by_tower_and_name():
    names = [
        *targets("deepseek_ocr2", target_modules=["q_proj", "down_proj"]),
        "model.language_model.layers.1.mlp.experts.gate_up_proj",
        "model.visual.merger.mlp.0",
    ]
    assert adapted_by_tower(names) == {
        "language": {"q_proj": 3, "down_proj": 3, "experts.gate_up_proj": 1},
        "projector": {"mlp.0": 1},
    }


def test_a_string_is_a_regular_expression_over_the_whole_name():
    found = targets("qwen3", target_modules=r".*layers\.[01]\.self_attn\.(q|v)_proj")
    assert len(found) == 4
    assert targets("qwen3", target_modules="q_proj") == ()


def test_layers_exclusions_and_saved_modules_are_left_out():
    assert all(".layers.2." in n for n in targets("qwen3", layers_to_transform=[2]))
    assert not any(
        "mlp" in n for n in targets("qwen3", exclude_modules=["down_proj", "up_proj", "gate_proj"])
    )
    saved = targets("qwen3", target_modules=["q_proj", "o_proj"], modules_to_save=["o_proj"])
    assert saved
    assert not any("o_proj" in name for name in saved)


def test_expert_parameters_are_found_by_their_ending():
    profile = models.profile("deepseek_ocr2")
    lora = LoraSettings(target_parameters=["experts.down_proj"])
    found = resolve_target_parameters(profile.parameters, lora, ModelSettings())
    assert [name.split(".")[3] for name in found] == ["1", "2"]
    assert resolve_target_parameters(profile.parameters, LoraSettings(), ModelSettings()) == ()


def test_a_target_that_is_nowhere_is_named():
    names = models.profile("qwen3").linears
    assert unmatched_targets(names, LoraSettings(target_modules=["q_proj", "Wqkv"])) == ("Wqkv",)
    assert resolve_modules_to_save(["a.lm_head", "a.norm"], LoraSettings()) == ()
