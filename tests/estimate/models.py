"""Small models of real architectures, on the meta device, and their profiles."""

from __future__ import annotations

from functools import cache
from typing import Any

from transformers import AutoConfig, PreTrainedModel

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models import layout_server as profile_job
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


def architecture(model_type: str, **figures: Any) -> HubConfig:
    """The config of a small model, with some figures changed at the top level."""
    config = AutoConfig.for_model(model_type, **(SMALL[model_type] | figures))
    return HubConfig(config, {}, "folder")


def build(model_type: str, **figures: Any) -> PreTrainedModel:
    """A small model on the meta device; every call makes a new one."""
    return profile_job.build_meta_model(
        architecture(model_type, **figures), "model", trust_remote_code=False
    )


@cache
def profile(model_type: str) -> ModelLayout:
    """The profile of a small model."""
    return profile_of(model_type, architecture(model_type), "model")


@cache
def shipped(name: str, role: Role = "model") -> ModelLayout:
    """The profile of a model whose architecture ships with the package, built in this process."""
    entry = bundled_models()[name]
    figures = dict(entry["config"])
    config = AutoConfig.for_model(figures.pop("model_type"), **figures)
    return profile_of(name, HubConfig(config, entry.get("processor", {}), "shipped"), role)


def profile_of(name: str, found: HubConfig, role: Role) -> ModelLayout:
    """The profile of an architecture, built in this process."""
    model = profile_job.build_meta_model(found, role, trust_remote_code=False)
    return ModelLayout(
        name=name,
        revision=None,
        role=role,
        architecture=type(model).__name__,
        origin=found.origin,
        weights=profile_job.group_weights(model),
        text=text_dimensions(found.config),
        image=None if role == "encoder" else image_dimensions(found),
    )


def configure(**sections: dict[str, Any]) -> TrainingConfig:
    """A training configuration with these sections changed."""
    return TrainingConfig.model_validate(sections)
