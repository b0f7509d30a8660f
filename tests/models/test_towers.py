"""The tower of a module follows from its name."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.model import LoraSettings, ModelSettings
from deepsynth_tui.models.lora_targets import resolve_target_modules
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


def test_adapted_modules_are_counted_by_tower_and_name():
    names = [
        *resolve_target_modules(
            models.layout("deepseek_ocr2").linears,
            LoraSettings(target_modules=["q_proj", "down_proj"]),
            ModelSettings(),
        ),
        "model.language_model.layers.1.mlp.experts.gate_up_proj",
        "model.visual.merger.mlp.0",
    ]
    assert adapted_by_tower(names) == {
        "language": {"q_proj": 3, "down_proj": 3, "experts.gate_up_proj": 1},
        "projector": {"mlp.0": 1},
    }
