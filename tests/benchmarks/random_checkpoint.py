"""Checkpoints of released shapes with random weights, for benchmarks and for checks on a GPU.

A token is a byte, and the image processors have the settings of the released ones. `SCALED` has
the same shapes at about a hundredth of the work, with a similar share of it in the vision tower;
pages are cut into at most four tiles and themselves there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedConfig, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion
from transformers.modeling_utils import remove_tied_weights_from_state_dict

from deepsynth_tui.models.hub_config import bundled_models
from tests.training import family_models, small_models

DEEPSEEK = "deepseek-community/DeepSeek-OCR-2"
QWEN25 = "Qwen/Qwen2.5-VL-3B-Instruct"
QWEN3 = "Qwen/Qwen3-VL-2B-Instruct"
SMOL = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
GRANITE = "ibm-granite/granite-docling-258M"

SHARD_BYTES = 2 << 30
INITIALIZER_RANGE = 0.02

# config.json of ibm-granite/granite-docling-258M
GRANITE_SHAPE: dict[str, Any] = {
    "model_type": "idefics3",
    "scale_factor": 4,
    "tie_word_embeddings": True,
    "text_config": {
        "model_type": "llama",
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
        "vocab_size": 100352,
        "tie_word_embeddings": True,
    },
    "vision_config": {
        "model_type": "idefics3_vision",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "patch_size": 16,
        "image_size": 512,
    },
}
_SIGLIP = {
    "hidden_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 768,
}
SCALED: Mapping[str, dict[str, Any]] = {
    DEEPSEEK: {
        "vision_config": {
            "sam_config": {
                "hidden_size": 192,
                "num_hidden_layers": 3,
                "num_attention_heads": 3,
                "global_attn_indexes": [2],
                "output_channels": 64,
                "downsample_channels": [128, 224],
                "initializer_range": 0.02,
            },
            "encoder_config": {
                "hidden_size": 224,
                "num_hidden_layers": 4,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "intermediate_size": 1216,
            },
        },
        "text_config": {
            "hidden_size": 320,
            "intermediate_size": 1712,
            "num_hidden_layers": 3,
            "num_attention_heads": 5,
            "num_key_value_heads": 5,
            "moe_intermediate_size": 224,
            "n_routed_experts": 16,
            "mlp_layer_types": ["dense", "sparse", "sparse"],
            "vocab_size": 8080,
        },
    },
    QWEN25: {
        "text_config": {
            "hidden_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "intermediate_size": 2752,
            "vocab_size": 9496,
        },
        "vision_config": {
            "hidden_size": 320,
            "depth": 4,
            "num_heads": 4,
            "intermediate_size": 856,
            "out_hidden_size": 512,
            "fullatt_block_indexes": [3],
        },
    },
    QWEN3: {
        "text_config": {
            "hidden_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 1536,
            "vocab_size": 9496,
        },
        "vision_config": {
            "hidden_size": 256,
            "depth": 3,
            "num_heads": 4,
            "intermediate_size": 1024,
            "out_hidden_size": 512,
            "deepstack_visual_indexes": [1],
        },
    },
    SMOL: {
        "text_config": {
            "hidden_size": 192,
            "num_hidden_layers": 8,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "intermediate_size": 640,
            "vocab_size": 3080,
        },
        "vision_config": _SIGLIP,
    },
    GRANITE: {
        "text_config": {
            "hidden_size": 192,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "intermediate_size": 512,
            "vocab_size": 6272,
        },
        "vision_config": _SIGLIP,
    },
}
_SMALL: Mapping[str, Callable[[Path], Path]] = {
    "deepseek_ocr2": small_models.document_model,
    "qwen2_5_vl": family_models.qwen2_5_vl,
    "qwen3_vl": small_models.qwen3_vl,
    "smolvlm": family_models.smolvlm,
    "idefics3": small_models.vision_model,
}
"""Small checkpoints of each family, whose tokenizer and processor are taken."""

_TILES = {
    "do_image_splitting": True,
    "size": {"longest_edge": 2048},
    "max_image_size": {"longest_edge": 512},
}
_PROCESSORS: Mapping[str, dict[str, Any]] = {
    "deepseek_ocr2": {},  # the small model has the released settings
    "qwen2_5_vl": {"patch_size": 14, "size": {"shortest_edge": 3136, "longest_edge": 12845056}},
    "qwen3_vl": {"size": {"shortest_edge": 65536, "longest_edge": 16777216}},
    "smolvlm": _TILES,
    "idefics3": _TILES,
}


def write(folder: Path, name: str, *, scaled: bool = False) -> Path:
    """Write a checkpoint with the shape of the model `name`, or with its `SCALED` one.

    Only one shard is in memory at a time. The files are those that ``save_pretrained`` writes.
    """
    shape = _shape(name, scaled=scaled)
    family = shape.pop("model_type")
    _SMALL[family](folder)
    (folder / "model.safetensors").unlink()
    small = json.loads((folder / "config.json").read_text())
    for holder, source in ((shape, small), (shape["text_config"], small["text_config"])):
        # The ids of special tokens are those of the tokenizer.
        holder |= {key: value for key, value in source.items() if key.endswith("token_id")}
    _set_processor(folder, family, shape, scaled=scaled)
    config = AutoConfig.for_model(family, **shape)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    config.architectures = [type(model).__name__]
    config.dtype = "bfloat16"
    config.save_pretrained(folder)
    _write_shards(folder, _checkpoint_tensors(model))
    return folder


def count_parameters(name: str) -> int:
    """Return the parameters of the released model `name`, tied ones once."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(released_config(name))
    return sum(parameter.numel() for parameter in model.parameters())


def released_config(name: str) -> PreTrainedConfig:
    """Return the config of the released model `name`."""
    shape = _shape(name, scaled=False)
    return AutoConfig.for_model(shape.pop("model_type"), **shape)


def _shape(name: str, *, scaled: bool) -> dict[str, Any]:
    released = GRANITE_SHAPE if name == GRANITE else bundled_models()[name]["config"]
    return _merge(released, SCALED[name] if scaled else {})


def _merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values) | {key: value for key, value in changes.items() if key not in values}
    for key in values.keys() & changes.keys():
        change = changes[key]
        merged[key] = _merge(values[key], change) if isinstance(change, dict) else change
    return {
        key: _merge(value, {}) if isinstance(value, dict) else value
        for key, value in merged.items()
    }


def _set_processor(folder: Path, family: str, shape: Mapping[str, Any], *, scaled: bool) -> None:
    path = folder / "processor_config.json"
    processor = json.loads(path.read_text())
    processor["image_processor"] |= _PROCESSORS[family]
    if scaled and _PROCESSORS[family] is _TILES:
        processor["image_processor"]["size"] = {"longest_edge": 1024}
    if "image_seq_len" in processor:
        vision = shape["vision_config"]
        side = vision["image_size"] // vision["patch_size"] // shape["scale_factor"]
        processor["image_seq_len"] = side**2
    path.write_text(json.dumps(processor))


def _checkpoint_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Return the tensors of the model's checkpoint files by name, on the meta device."""
    state = remove_tied_weights_from_state_dict(model.state_dict(), model)
    return revert_weight_conversion(model, state)


def _write_shards(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    shards = list(_shards(tensors))
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        generator = torch.Generator(_device()).manual_seed(number)
        save_file(
            {name: _random(name, tensors[name], generator) for name in names},
            folder / file,
            metadata={"format": "pt"},
        )
        weight_map |= dict.fromkeys(names, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _shards(tensors: Mapping[str, torch.Tensor]) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        if names and size + tensor.nbytes > SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += tensor.nbytes
    yield names


def _random(name: str, tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return normal weights, zeros for biases, and ones for the weights of norms."""
    if name.endswith("bias"):
        return torch.zeros(tensor.shape, dtype=tensor.dtype)
    if tensor.ndim == 1:
        return torch.ones(tensor.shape, dtype=tensor.dtype)
    values = torch.empty(tensor.shape, dtype=tensor.dtype, device=generator.device)
    return values.normal_(0.0, INITIALIZER_RANGE, generator=generator).cpu()


def _device() -> str:
    """Return the device that draws numbers faster."""
    return "cuda" if torch.cuda.is_available() else "cpu"
