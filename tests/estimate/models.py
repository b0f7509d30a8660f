"""Small models of real architectures, on the meta device, and their layouts."""

from __future__ import annotations

from functools import cache
from typing import Any

from transformers import AutoConfig, PreTrainedModel

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models import layout_server
from deepsynth_tui.models.dimensions import image_dimensions, text_dimensions
from deepsynth_tui.models.hub_config import HubConfig, bundled_models
from deepsynth_tui.models.layout import ModelLayout, Role

_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 128,
    "max_position_embeddings": 256,
}
_SIGLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 8,
    "image_size": 32,
}
_QWEN_VISION = {
    "hidden_size": 32,
    "depth": 2,
    "num_heads": 2,
    "intermediate_size": 64,
    "out_hidden_size": 64,
}
_ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
_DEEPSEEK_ENCODER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}

SMALL: dict[str, dict[str, Any]] = {
    "qwen3_vl": {
        "tie_word_embeddings": True,
        "text_config": _TEXT | {"rope_parameters": _ROPE, "tie_word_embeddings": True},
        "vision_config": _QWEN_VISION | {"deepstack_visual_indexes": [0]},
    },
    "qwen2_5_vl": {
        "tie_word_embeddings": False,
        "text_config": _TEXT | {"rope_parameters": _ROPE},
        "vision_config": _QWEN_VISION,
    },
    "smolvlm": {
        "scale_factor": 2,
        "text_config": _TEXT | {"model_type": "llama"},
        "vision_config": _SIGLIP | {"model_type": "smolvlm_vision"},
    },
    "llava": {
        "text_config": _TEXT | {"model_type": "llama"},
        "vision_config": _SIGLIP | {"model_type": "clip_vision_model"},
    },
    "deepseek_ocr2": {
        "vision_config": {
            "sam_config": {
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "downsample_channels": [32, 32],
            },
            "encoder_config": _DEEPSEEK_ENCODER,
        },
        "text_config": _TEXT
        | {
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "mlp_layer_types": ["dense", "sparse", "sparse"],
        },
    },
    "qwen3": _TEXT | {"tie_word_embeddings": True},
    "qwen3_moe": _TEXT | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
}


def architecture(model_type: str, **overrides: Any) -> HubConfig:
    """Return the config of a small model, with some top-level values replaced."""
    config = AutoConfig.for_model(model_type, **(SMALL[model_type] | overrides))
    return HubConfig(config, {}, "folder")


def build(model_type: str, **overrides: Any) -> PreTrainedModel:
    """Build a small model on the meta device. Every call builds a new model."""
    return layout_server.build_meta_model(
        architecture(model_type, **overrides), "model", trust_remote_code=False
    )


@cache
def layout(model_type: str) -> ModelLayout:
    """Return the layout of a small model."""
    return layout_of(model_type, architecture(model_type), "model")


@cache
def shipped(name: str, role: Role = "model") -> ModelLayout:
    """Build the layout of a bundled model in this process."""
    entry = bundled_models()[name]
    values = dict(entry["config"])
    config = AutoConfig.for_model(values.pop("model_type"), **values)
    return layout_of(name, HubConfig(config, entry.get("processor", {}), "shipped"), role)


def layout_of(name: str, hub_config: HubConfig, role: Role) -> ModelLayout:
    """Build the layout of an architecture in this process."""
    model = layout_server.build_meta_model(hub_config, role, trust_remote_code=False)
    return ModelLayout(
        name=name,
        revision=None,
        role=role,
        architecture=type(model).__name__,
        origin=hub_config.origin,
        weights=layout_server.group_weights(model),
        text=text_dimensions(hub_config.config),
        image=None if role == "encoder" else image_dimensions(hub_config),
    )


def configure(**sections: dict[str, Any]) -> TrainingConfig:
    """Return a training configuration with these sections."""
    return TrainingConfig.model_validate(sections)
