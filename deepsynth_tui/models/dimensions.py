"""Dimensions in a transformers config, under whichever names the architecture uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from deepsynth_tui.models.layout import ImageDimensions, TextDimensions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from deepsynth_tui.models.hub_config import HubConfig

# The `size` of these processors has areas in pixels under the keys of edges
# (``models/qwen2_vl/image_processing_qwen2_vl.py``).
_FRAME_MODELS = ("glm_ocr", "glm46v", "glm4v", "glm4v_moe")
"""Of the pixel models those whose limits count every frame (``models/glm46v``)."""
_PIXEL_MODELS = (
    *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"),
    *("paddleocr_vl", *_FRAME_MODELS),
)
_TILE_MODELS = ("idefics3", "smolvlm")
_FIXED_MODELS = ("llava", "vipllava", "paligemma", "gemma3")
"""Their processors resize every page to a square; a page has as many tokens as the config says."""
_FIXED_TOWERS = ("clip_vision_model", "siglip_vision_model")


def text_dimensions(config: PreTrainedConfig) -> TextDimensions:
    """Return the dimensions of the language model in any config."""
    text = config.get_text_config()
    hidden = _first(text, "hidden_size", "n_embd", "d_model")
    heads = _first(text, "num_attention_heads", "n_head", default=1)
    head_dim = _first(text, "head_dim", default=0) or hidden // heads
    intermediate = _first(text, "intermediate_size", "n_inner", default=4 * hidden)
    experts = _first(text, "num_experts", "n_routed_experts", "num_local_experts", default=0)
    return TextDimensions(
        hidden=hidden,
        layers=_first(text, "num_hidden_layers", "n_layer"),
        heads=heads,
        kv_heads=_first(text, "num_key_value_heads", default=heads),
        head_dim=head_dim,
        intermediate=intermediate,
        vocab=_first(text, "vocab_size"),
        experts=experts,
        experts_per_token=_first(text, "num_experts_per_tok", default=0),
        expert_intermediate=_first(
            text, "moe_intermediate_size", default=intermediate if experts else 0
        ),
        activation=_activation(text),
        caps_logits=bool(getattr(text, "final_logit_softcapping", None)),
        caps_scores=bool(getattr(text, "attn_logit_softcapping", None)),
        linear_key_heads=_first(text, "linear_num_key_heads", default=0),
        linear_value_heads=_first(text, "linear_num_value_heads", default=0),
        linear_key_dim=_first(text, "linear_key_head_dim", default=0),
        linear_value_dim=_first(text, "linear_value_head_dim", default=0),
    )


def _activation(text: PreTrainedConfig) -> str:
    for name in ("hidden_act", "hidden_activation", "activation_function"):
        if isinstance(activation := getattr(text, name, None), str):
            return activation
    return ""


def image_dimensions(hub_config: HubConfig) -> ImageDimensions | None:
    """Return the dimensions of the vision tower and its image rule, None for a text-only model."""
    config, processor = hub_config.config, hub_config.processor
    vision: Any = getattr(config, "vision_config", None)
    if vision is None:
        return None
    if config.model_type == "deepseek_ocr2":
        return _deepseek_ocr2(vision, processor)
    hidden = _first(vision, "hidden_size", "embed_dim", default=0)
    tower = ImageDimensions(
        rule="unknown",
        hidden=hidden,
        layers=_first(vision, "num_hidden_layers", "depth", default=0),
        intermediate=_first(vision, "intermediate_size", default=4 * hidden),
        patch=_first(vision, "patch_size", default=0),
    )
    if config.model_type in _PIXEL_MODELS:
        return _pixels(tower, config, processor)
    match config.model_type:
        case "internvl" | "granite_docling":
            return _aspect_grid(tower, config, processor)
        case "lighton_ocr":
            return _lighton_ocr(tower, config, processor)
        case model_type if model_type in _TILE_MODELS:
            return _tiles(tower, config, processor)
        case model_type if model_type in _FIXED_MODELS:
            return _fixed(tower, config)
        case _:
            return tower


def _pixels(tower: ImageDimensions, config: Any, processor: dict[str, Any]) -> ImageDimensions:
    vision = config.vision_config
    size: dict[str, int] = processor.get("size") or {}
    frames = _first(vision, "temporal_patch_size", default=1)
    counts_frames = config.model_type in _FRAME_MODELS
    counted = frames if counts_frames else 1
    enlarges: Literal["kept", "rounded", "floored"] = "floored" if counts_frames else "kept"
    return replace(
        tower,
        rule="pixels",
        frames=frames,
        merge=_first(vision, "spatial_merge_size", default=1),
        min_pixels=(processor.get("min_pixels") or size.get("shortest_edge", 0)) // counted,
        max_pixels=(processor.get("max_pixels") or size.get("longest_edge", 0)) // counted,
        short_edge="rounded" if config.model_type == "paddleocr_vl" else enlarges,
    )


def _tiles(tower: ImageDimensions, config: Any, processor: dict[str, Any]) -> ImageDimensions:
    tile = _first(config.vision_config, "image_size", default=0)
    scale: int = getattr(config, "scale_factor", 1)
    return replace(
        tower,
        rule="tiles",
        merge=scale,
        tile=tile,
        tile_tokens=(tile // tower.patch) ** 2 // scale**2,
        longest_edge=(processor.get("size") or {}).get("longest_edge", 0),
    )


def _aspect_grid(tower: ImageDimensions, config: Any, processor: dict[str, Any]) -> ImageDimensions:
    """Tiles on the grid with the aspect ratio of the page, and the page (models/got_ocr2).

    InternVL's processor cuts pages whatever its image processor says (models/internvl).
    """
    vision = config.vision_config
    tile = (processor.get("size") or {}).get("height") or _first(vision, "image_size")
    if config.model_type == "internvl":
        return replace(
            tower,
            rule="internvl",
            tile=tile,
            tile_tokens=_first(config, "image_seq_length"),
            fewest_tiles=processor.get("min_patches", 1),
            most_tiles=processor.get("max_patches", 12),
        )
    scale = _first(vision, "scale_factor") // (2 if processor.get("fine_route") else 1)
    splits = processor.get("crop_to_patches", True)
    return replace(
        tower,
        rule="granite_docling",
        merge=scale,
        tile=tile,
        tile_tokens=(_first(vision, "image_size") // tower.patch // scale) ** 2,
        fewest_tiles=processor.get("min_patches", 1),
        most_tiles=processor.get("max_patches", 32) if splits else 1,
        dense_tiles=processor.get("dense_max_patches", 0),
        dense_scale=processor.get("dense_max_scale", 0.0),
        dense_min_aspect=processor.get("dense_min_aspect", 0.0),
        dense_max_aspect=processor.get("dense_max_aspect", 0.0),
    )


def _lighton_ocr(tower: ImageDimensions, config: Any, processor: dict[str, Any]) -> ImageDimensions:
    """Pages keep their shape within a longest edge, in whole patches (models/pixtral)."""
    vision = config.vision_config
    size: dict[str, int] = processor.get("size") or {}
    edge = size.get("longest_edge") or size.get("height") or _first(vision, "image_size")
    merge = _first(config, "spatial_merge_size", default=1)
    patch: Any = processor.get("patch_size") or tower.patch * merge
    return replace(
        tower,
        rule="lighton_ocr",
        merge=merge,
        multiple=patch["height"] if isinstance(patch, dict) else patch,
        longest_edge=edge,
        max_pixels=edge**2,
    )


def _fixed(tower: ImageDimensions, config: Any) -> ImageDimensions:
    vision = config.vision_config
    if not tower.patch or vision.model_type not in _FIXED_TOWERS:
        return tower
    tile = _first(vision, "image_size")
    whole = (tile // tower.patch) ** 2
    tokens = _first(config, "image_seq_length", "mm_tokens_per_image", default=whole)
    return replace(tower, rule="fixed", tile=tile, tile_tokens=tokens)


def _deepseek_ocr2(vision: Any, processor: dict[str, Any]) -> ImageDimensions:
    """SAM reads pages of 1024 and tiles of 768 pixels a side; 4 x 4 patches of 16 make a token.

    ``models/deepseek_ocr2/processing_deepseek_ocr2.py``, ``replace_image_token``.
    """
    tile: int = processor.get("tile_size", 768)
    return ImageDimensions(
        rule="deepseek_ocr2",
        hidden=vision.sam_config.hidden_size,
        layers=vision.sam_config.num_hidden_layers,
        intermediate=vision.sam_config.mlp_dim,
        patch=vision.sam_config.patch_size,
        merge=4,
        tile=tile,
        tile_tokens=(tile // vision.sam_config.patch_size // 4) ** 2,
        longest_edge=processor.get("size", {}).get("height", 1024),
    )


def _first(config: Any, *names: str, default: int | None = None) -> int:
    """Return the first of these attributes that is set. Raises AttributeError if none is."""
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return int(value[0] if isinstance(value, (list, tuple)) else value)
    if default is None:
        raise AttributeError(f"{type(config).__name__} has none of: {', '.join(names)}")
    return default
