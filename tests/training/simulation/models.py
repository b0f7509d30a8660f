"""Models of real architectures, so sized that activations are larger than weights."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.models.hub_config import HubConfig
from deepsynth_tui.training.simulation.simulate import StepMemory, simulate_step
from tests.estimate.models import SMALL, configure

LENGTH = 1024
TEXT = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 500,
    "max_position_embeddings": 2048,
}
EXPERTS = {"moe_intermediate_size": 192, "num_experts_per_tok": 2}
ROTATED = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]}
VISION = {"hidden_size": 128, "intermediate_size": 320}
QWEN = {
    "text_config": {"rope_parameters": ROTATED},
    "vision_config": VISION | {"depth": 3, "num_heads": 4, "out_hidden_size": 256},
}
SIGLIP = VISION | {"num_hidden_layers": 3, "num_attention_heads": 4}
SAM = {
    "hidden_size": 192,
    "num_attention_heads": 3,
    "num_hidden_layers": 4,
    "global_attn_indexes": [3],
    "downsample_channels": [32, 32],
}
MORE: dict[str, dict[str, Any]] = {
    "llama": TEXT,
    "qwen3": TEXT,
    "qwen3_5_text": TEXT
    | {
        "linear_num_key_heads": 4,
        "linear_num_value_heads": 8,
        "linear_key_head_dim": 32,
        "linear_value_head_dim": 32,
    },
    "qwen3_moe": TEXT | EXPERTS | {"num_experts": 8},
    "qwen3_vl": QWEN,
    "qwen2_5_vl": QWEN,
    "smolvlm": {"vision_config": VISION | {"num_attention_heads": 4}},
    "internvl": {
        "image_token_id": 5,
        "image_seq_length": 64,
        "text_config": TEXT | {"model_type": "qwen2"},
        "vision_config": SIGLIP | {"image_size": [128, 128], "patch_size": [8, 8]},
    },
    "granite_docling": {
        "image_token_id": 5,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
        "text_config": TEXT | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
        "vision_config": SIGLIP
        | {
            "image_size": 128,
            "patch_size": 8,
            "out_hidden_size": 256,
            "deepstack_visual_indexes": [0],
            "use_fine_route": False,
        },
    },
    "lighton_ocr": {
        "image_token_id": 5,
        "tie_word_embeddings": False,
        "text_config": TEXT | {"model_type": "qwen3"},
        "vision_config": SIGLIP
        | {"model_type": "pixtral", "head_dim": 32, "image_size": 448, "patch_size": 14},
    },
    "paddleocr_vl": {
        "image_token_id": 5,
        "text_config": TEXT | {"rope_parameters": ROTATED, "pad_token_id": 0},
        "vision_config": SIGLIP | {"image_size": 384, "patch_size": 14},
    },
    "glm_ocr": {
        "image_token_id": 5,
        "text_config": TEXT | {"rope_parameters": ROTATED},
        "vision_config": VISION | {"depth": 3, "num_heads": 4, "out_hidden_size": 256},
    },
    "deepseek_ocr2": {
        "text_config": EXPERTS
        | {"num_key_value_heads": 8, "mlp_layer_types": ["dense", *["sparse"] * 3]},
        "vision_config": {"sam_config": SAM},
    },
}


def architecture(model_type: str) -> HubConfig:
    """Return the config of a mid-size model: a wider variant of the small one."""
    figures = dict(SMALL.get(model_type, {}))
    more = MORE[model_type]
    if "text_config" in figures:
        more = more | {"text_config": TEXT | more.get("text_config", {})}
    for key, value in more.items():
        both = isinstance(value, dict) and key in figures
        figures[key] = figures[key] | value if both else value
    return HubConfig(AutoConfig.for_model(model_type, **figures), {}, "folder")


def configuration(
    rows: int = 1, *, checkpointing: bool = False, bits: int = 16, **sections: dict[str, Any]
) -> TrainingConfig:
    """LoRA on rows of `LENGTH` tokens."""
    training = {"per_device_train_batch_size": rows, "gradient_checkpointing": checkpointing}
    values: dict[str, dict[str, Any]] = {
        "data": {"max_length": LENGTH},
        "quantization": {"enabled": bits < 16, "bits": min(bits, 8)},
        **sections,
        "training": training | sections.get("training", {}),
    }
    return configure(**values)


def simulated(
    model_type: str, config: TrainingConfig, *, cached_features: bool = False
) -> StepMemory:
    """Simulate a step of a mid-size model."""
    hub_config = architecture(model_type)
    image = image_dimensions(hub_config)
    return simulate_step(
        config, hub_config, image, RowStatistics(), cached_features=cached_features
    )
