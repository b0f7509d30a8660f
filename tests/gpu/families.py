"""Checkpoints with random weights: mid-size to measure, small to test the rig on a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from deepsynth_tui.models.hub_config import bundled_models
from tests.estimate.models import SMALL

# Llama 3.2 1B and a cut-down Qwen3 30B-A3B, from the config.json of their checkpoints.
LLAMA = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
}
MOE = {
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 6,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
}
QWEN3_VL = bundled_models()["Qwen/Qwen3-VL-2B-Instruct"]
FULL: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "qwen3_vl": {key: value for key, value in QWEN3_VL["config"].items() if key != "model_type"},
    "qwen3_moe": MOE,
}
TINY = SMALL | {
    "llama": SMALL["qwen3"],
    "qwen3_vl": SMALL["qwen3_vl"] | {"image_token_id": 126, "video_token_id": 127},
}
PROCESSORS = {"qwen3_vl": QWEN3_VL.get("processor", {})}


def checkpoint(folder: Path, family: str, figures: dict[str, Any]) -> Path:
    """Write a model of `family` with these config values and random bfloat16 weights."""
    config = AutoConfig.for_model(family, **figures)
    image = hasattr(config, "vision_config")
    auto_class = AutoModelForImageTextToText if image else AutoModelForCausalLM
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = auto_class.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    if family in PROCESSORS:
        (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[family]))
    return folder
