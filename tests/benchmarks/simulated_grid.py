"""The configurations on which `estimate_accuracy` compares the closed form with the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from transformers import AutoConfig

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.hub_config import HubConfig, bundled_models

SHAPES = Path(__file__).with_name("architectures.yaml")

SMOL = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
QWEN25 = "Qwen/Qwen2.5-VL-3B-Instruct"
QWEN3VL = "Qwen/Qwen3-VL-2B-Instruct"
QWEN3VL_4B = "Qwen/Qwen3-VL-4B-Instruct"
DEEPSEEK = "deepseek-community/DeepSeek-OCR-2"
LLAVA = "llava-hf/llava-1.5-7b-hf"
QWEN3 = "Qwen/Qwen3-0.6B"
QWEN2 = "Qwen/Qwen2-1.5B"
LLAMA = "meta-llama/Llama-3.2-1B"
MISTRAL = "mistralai/Mistral-7B-v0.3"
PHI = "microsoft/Phi-3-mini-4k-instruct"
GEMMA = "google/gemma-2-2b"
QWEN_MOE = "Qwen/Qwen3-30B-A3B, first 8 layers"
MIXTRAL = "mistralai/Mixtral-8x7B-v0.1, first 4 layers"
QWEN35 = "Qwen/Qwen3.5, first 8 layers"

FULL = {"lora": {"enabled": False}}
FREE = {"model": {"freeze_vision_tower": False}}
NO_DROPOUT = {"lora": {"lora_dropout": 0.0}}
DORA = {"lora": {"use_dora": True}}
QV = {"lora": {"target_modules": ["q_proj", "v_proj"]}}
ATTENTION = {"lora": {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}}
RANK_128 = {"lora": {"r": 128}}
EAGER = {"model": {"attn_implementation": "eager"}}
NO_AUTOCAST = {"training": {"bf16": False}}
AT_ONCE = {"training": {"gradient_accumulation_steps": 1}}
EXPERTS = {
    "lora": {
        "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
        "lora_dropout": 0.0,
    }
}


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration: a model, rows of `length` tokens, bits of its weights, and `more`."""

    model: str
    rows: int
    length: int
    bits: int
    checkpointing: bool
    more: tuple[dict[str, dict[str, Any]], ...]

    @property
    def config(self) -> TrainingConfig:
        """The training configuration."""
        sections: dict[str, dict[str, Any]] = {
            "model": {"name_or_path": self.model},
            "data": {"max_length": self.length},
            "training": {
                "per_device_train_batch_size": self.rows,
                "gradient_checkpointing": self.checkpointing,
            },
        }
        if self.bits < 16:
            sections["quantization"] = {"enabled": True, "bits": self.bits}
        for change in self.more:
            for section, values in change.items():
                sections[section] = sections.get(section, {}) | values
        return TrainingConfig.model_validate(sections)

    def __str__(self) -> str:
        values = (
            f"{section}.{key}={','.join(value) if isinstance(value, list) else value}"
            for change in self.more
            for section, keys in change.items()
            for key, value in keys.items()
        )
        kept = "recomputed" if self.checkpointing else "kept"
        shape = f"{self.rows} x {self.length}, {self.bits} bits, {kept}"
        return " ".join((self.model.partition("/")[2], shape, *values))


def _kept(model: str, rows: int, length: int, bits: int, *more: dict[str, Any]) -> Case:
    """Every activation is kept for the backward pass."""
    return Case(model, rows, length, bits, False, more)


def _recomputed(model: str, rows: int, length: int, bits: int, *more: dict[str, Any]) -> Case:
    """With checkpointing."""
    return Case(model, rows, length, bits, True, more)


def _optimizer(name: str) -> dict[str, Any]:
    return {"training": {"optim": name}}


GRID = (
    _recomputed(QWEN3, 1, 8192, 16),
    _recomputed(QWEN3, 32, 256, 16),
    _recomputed(QWEN3, 4, 512, 16, FULL),
    _recomputed(QWEN3, 4, 2048, 4, _optimizer("lion_8bit"), NO_AUTOCAST),
    _recomputed(QWEN3, 1, 512, 16, _optimizer("adamw_8bit"), RANK_128, AT_ONCE),
    _kept(QWEN3, 32, 256, 4),
    _kept(QWEN3, 1, 512, 16, FULL, _optimizer("adafactor")),
    _kept(QWEN3, 2, 1024, 16, DORA),
    _kept(QWEN3, 2, 1024, 16, NO_DROPOUT),
    _kept(QWEN3, 1, 2048, 16, EAGER),
    _kept(QWEN3, 2, 1024, 8, QV),
    _recomputed(QWEN2, 8, 4096, 4),
    _recomputed(QWEN2, 1, 1024, 8),
    _recomputed(QWEN2, 16, 512, 16, FULL, _optimizer("sgd")),
    _kept(QWEN2, 2, 2048, 16),
    _kept(QWEN2, 8, 1024, 16),
    _kept(QWEN2, 1, 256, 4, _optimizer("paged_adamw_8bit")),
    _recomputed(LLAMA, 1, 2048, 16),
    _recomputed(LLAMA, 32, 1024, 16),
    _recomputed(LLAMA, 1, 1024, 8, QV, RANK_128, _optimizer("adamw_8bit")),
    _recomputed(LLAMA, 2, 1024, 16, FULL, AT_ONCE),
    _kept(LLAMA, 4, 1024, 4),
    _kept(LLAMA, 8, 512, 16),
    _kept(LLAMA, 1, 4096, 8, ATTENTION),
    _recomputed(MISTRAL, 4, 4096, 16),
    _recomputed(MISTRAL, 2, 8192, 4),
    _recomputed(MISTRAL, 1, 512, 8),
    _recomputed(MISTRAL, 8, 1024, 4, NO_DROPOUT, ATTENTION),
    _kept(MISTRAL, 1, 1024, 4),
    _recomputed(PHI, 4, 1024, 4),
    _recomputed(PHI, 1, 4096, 8),
    _recomputed(PHI, 16, 512, 4, NO_DROPOUT, AT_ONCE),
    _kept(PHI, 1, 2048, 16),
    _recomputed(GEMMA, 1, 1024, 16, EAGER),
    _recomputed(GEMMA, 4, 1024, 4, EAGER),
    _kept(GEMMA, 1, 2048, 16, EAGER),
    _recomputed(QWEN_MOE, 1, 2048, 16),
    _recomputed(QWEN_MOE, 1, 1024, 4),
    _recomputed(QWEN_MOE, 4, 8192, 16, NO_DROPOUT),
    _kept(QWEN_MOE, 2, 1024, 4),
    _kept(QWEN_MOE, 1, 256, 16, RANK_128),
    _recomputed(MIXTRAL, 1, 2048, 16),
    _recomputed(MIXTRAL, 1, 8192, 16, ATTENTION, AT_ONCE),
    _recomputed(MIXTRAL, 2, 4096, 8, ATTENTION, NO_DROPOUT),
    _kept(MIXTRAL, 1, 1024, 4),
    _kept(MIXTRAL, 1, 4096, 16, NO_DROPOUT),
    _kept(QWEN35, 1, 1024, 16),
    _recomputed(QWEN35, 2, 2048, 16),
    _recomputed(QWEN35, 1, 4096, 4, NO_DROPOUT),
    _recomputed(SMOL, 2, 2048, 4),
    _recomputed(SMOL, 1, 2048, 16, FREE),
    _recomputed(SMOL, 1, 1024, 8, _optimizer("adafactor")),
    _recomputed(SMOL, 4, 8192, 16, AT_ONCE),
    _recomputed(SMOL, 2, 2048, 16, FULL, FREE),
    _kept(SMOL, 1, 2048, 16, FREE),
    _kept(SMOL, 4, 2048, 16),
    _recomputed(QWEN25, 1, 2048, 16),
    _recomputed(QWEN25, 1, 1024, 16, FREE),
    _recomputed(QWEN25, 16, 2048, 16, QV, RANK_128, FREE, AT_ONCE),
    _recomputed(QWEN25, 1, 4096, 8, NO_DROPOUT),
    _kept(QWEN25, 4, 2048, 16),
    _kept(QWEN25, 1, 1024, 16, FREE, {"model": {"freeze_projector": False}}),
    _recomputed(QWEN3VL, 8, 1024, 4),
    _recomputed(QWEN3VL, 1, 2048, 16, FREE),
    _recomputed(QWEN3VL, 1, 256, 16, _optimizer("adamw_torch_fused")),
    _recomputed(QWEN3VL, 32, 512, 16, NO_DROPOUT),
    _recomputed(QWEN3VL, 1, 1024, 16, FULL),
    _kept(QWEN3VL, 1, 2048, 16, FREE),
    _kept(QWEN3VL, 8, 1024, 16, ATTENTION),
    _recomputed(QWEN3VL_4B, 1, 8192, 4),
    _recomputed(QWEN3VL_4B, 2, 2048, 8),
    _recomputed(QWEN3VL_4B, 16, 1024, 8, FREE, NO_DROPOUT, NO_AUTOCAST),
    _kept(QWEN3VL_4B, 32, 512, 4, QV),
    _recomputed(DEEPSEEK, 1, 8192, 4),
    _recomputed(DEEPSEEK, 4, 2048, 16),
    _recomputed(DEEPSEEK, 1, 1024, 16, FREE),
    _recomputed(DEEPSEEK, 1, 1024, 16, EXPERTS),
    _recomputed(DEEPSEEK, 8, 256, 16, NO_DROPOUT, {"lora": {"r": 4}}),
    _kept(DEEPSEEK, 2, 2048, 8),
    _kept(DEEPSEEK, 1, 512, 16),
    _kept(DEEPSEEK, 1, 1024, 16, FREE),
    _recomputed(LLAVA, 1, 2048, 4),
    _recomputed(LLAVA, 8, 1024, 4, NO_DROPOUT),
    _kept(LLAVA, 2, 1024, 16),
    _kept(LLAVA, 1, 1024, 16, FREE, {"model": {"freeze_projector": False}}),
)


@cache
def architecture(model: str) -> HubConfig:
    """The config of a model of the grid: one that ships with the package, or one of `SHAPES`."""
    shipped = bundled_models().get(model)
    if shipped is not None:
        figures, processor = dict(shipped["config"]), shipped.get("processor", {})
        origin = "shipped"
    else:
        figures, processor = dict(yaml.safe_load(SHAPES.read_text("utf-8"))[model]), {}
        origin = "folder"
    config = AutoConfig.for_model(figures.pop("model_type"), **figures)
    return HubConfig(config, processor, origin)
