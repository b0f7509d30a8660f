"""Checkpoints that train in a second, of families made for documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    Glm46VProcessor,
    GlmOcrConfig,
    GlmOcrForConditionalGeneration,
    GraniteDoclingConfig,
    GraniteDoclingForConditionalGeneration,
    GraniteDoclingProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    LightOnOcrConfig,
    LightOnOcrForConditionalGeneration,
    LightOnOcrProcessor,
    PaddleOCRVLConfig,
    PaddleOCRVLForConditionalGeneration,
    PaddleOCRVLProcessor,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLProcessor,
    TokenizersBackend,
)
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.granite_docling.image_processing_pil_granite_docling import (
    GraniteDoclingImageProcessorPil,
)
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import (
    PaddleOCRVLImageProcessorPil,
)
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from deepsynth_tui.training.modeling.video_processor import without_video
from tests.training import chat_tokenizer
from tests.training.small_models import IMAGE_TOKENS, PAGE_SIDE, TEXT, special_tokens

PATCH, MERGE = 16, 2
PAGE_AREA = {"shortest_edge": (PATCH * MERGE) ** 2, "longest_edge": PAGE_SIDE**2}
_TEXT = {name: value for name, value in TEXT.items() if name != "model_type"}
_ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
_VISION: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "patch_size": PATCH,
    "initializer_range": 0.125,
}


def granite_docling(folder: Path) -> Path:
    """A Granite-Docling of 0.2 M parameters, with DeepStack features and no fine route."""
    tokenizer = chat_tokenizer.tokenizer()
    config = GraniteDoclingConfig(
        image_token_id=tokenizer.get_vocab()[chat_tokenizer.IMAGE],
        pad_token_id=special_tokens(tokenizer)["pad_token_id"],
        tie_word_embeddings=False,
        text_config=_text(tokenizer),
        vision_config=_VISION
        | {
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": PAGE_SIDE,
            "out_hidden_size": 64,
            "scale_factor": MERGE,
            "deepstack_visual_indexes": [0],
            "use_fine_route": False,
        },
    )
    images = GraniteDoclingImageProcessorPil(
        size={"height": PAGE_SIDE, "width": PAGE_SIDE}, max_patches=2
    )
    processor = GraniteDoclingProcessor(
        images, tokenizer, image_seq_len=IMAGE_TOKENS, chat_template=chat_tokenizer.CHAT_TEMPLATE
    )
    return _save(folder, GraniteDoclingForConditionalGeneration, config, processor)


def paddleocr_vl(folder: Path) -> Path:
    """A PaddleOCR-VL of 0.2 M parameters."""
    marks = {"start": "<|IMAGE_START|>", "image_token": "<|IMAGE|>", "end": "<|IMAGE_END|>"}
    tokenizer = _tokenizer(marks, named=("image_token",))
    ids = tokenizer.get_vocab()
    config = PaddleOCRVLConfig(
        image_token_id=ids[marks["image_token"]],
        video_token_id=ids[chat_tokenizer.END_OF_UTTERANCE],
        vision_start_token_id=ids[marks["start"]],
        vision_end_token_id=ids[marks["end"]],
        tie_word_embeddings=False,
        text_config=_text(tokenizer, head_dim=16, rope_parameters=_ROPE),
        vision_config=_VISION
        | {
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": PAGE_SIDE,
            "spatial_merge_size": MERGE,
        },
    )
    images = PaddleOCRVLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, size=PAGE_AREA)
    processor = PaddleOCRVLProcessor(images, tokenizer, chat_template=_template(marks))
    return _save(folder, PaddleOCRVLForConditionalGeneration, config, processor)


def glm_ocr(folder: Path) -> Path:
    """A GLM-OCR of 0.2 M parameters."""
    marks = {"start": "<|begin_of_image|>", "image": "<|image|>", "end": "<|end_of_image|>"}
    videos = ("<|video|>", "<|begin_of_video|>", "<|end_of_video|>")
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [*marks.values(), *videos]})
    ids = tokenizer.get_vocab()
    config = GlmOcrConfig(
        image_token_id=ids[marks["image"]],
        image_start_token_id=ids[marks["start"]],
        image_end_token_id=ids[marks["end"]],
        video_token_id=ids[videos[0]],
        video_start_token_id=ids[videos[1]],
        video_end_token_id=ids[videos[2]],
        tie_word_embeddings=False,
        text_config=_text(tokenizer, rope_parameters=_ROPE),
        vision_config=_VISION
        | {
            "depth": 2,
            "num_heads": 2,
            "image_size": PAGE_SIDE,
            "out_hidden_size": 64,
            "spatial_merge_size": MERGE,
        },
    )
    sizes: Any = {"patch_size": PATCH, "merge_size": MERGE, "size": PAGE_AREA}
    images = Glm46VImageProcessorPil(**sizes)
    processor = without_video(Glm46VProcessor)(
        image_processor=images, tokenizer=tokenizer, chat_template=_template(marks)
    )
    return _save(folder, GlmOcrForConditionalGeneration, config, processor)


def lighton_ocr(folder: Path) -> Path:
    """A LightOnOCR of 0.2 M parameters: Pixtral as vision tower, Qwen3 as language model."""
    marks = {"image_token": "<|image_pad|>"}
    breaks = {"image_break_token": "<|vision_pad|>", "image_end_token": "<|vision_end|>"}
    tokenizer = _tokenizer(marks | breaks, named=[*marks, *breaks])
    config = LightOnOcrConfig(
        image_token_id=tokenizer.get_vocab()[marks["image_token"]],
        spatial_merge_size=MERGE,
        tie_word_embeddings=False,
        text_config=_text(tokenizer, model_type="qwen3", head_dim=16),
        vision_config=_VISION
        | {
            "model_type": "pixtral",
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "head_dim": 32,
            "image_size": PAGE_SIDE,
        },
    )
    effective = PATCH * MERGE
    images = PixtralImageProcessorPil(
        size={"longest_edge": PAGE_SIDE}, patch_size={"height": effective, "width": effective}
    )
    processor = LightOnOcrProcessor(
        images,
        tokenizer,
        patch_size=PATCH,
        spatial_merge_size=MERGE,
        chat_template=_template(marks),
    )
    return _save(folder, LightOnOcrForConditionalGeneration, config, processor)


def qwen3_5(folder: Path) -> Path:
    """A Qwen3.5 of 0.2 M parameters: one layer of linear attention, one of full attention."""
    names = ("vision_start", "image_pad", "vision_end", "video_pad")
    marks = {name: f"<|{name}|>" for name in names}
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [*marks.values()]})
    ids = tokenizer.get_vocab()
    config = Qwen3_5Config(
        image_token_id=ids[marks["image_pad"]],
        video_token_id=ids[marks["video_pad"]],
        vision_start_token_id=ids[marks["vision_start"]],
        vision_end_token_id=ids[marks["vision_end"]],
        text_config=_text(
            tokenizer,
            head_dim=16,
            layer_types=["linear_attention", "full_attention"],
            linear_key_head_dim=16,
            linear_value_head_dim=16,
            linear_num_key_heads=2,
            linear_num_value_heads=4,
            rope_parameters=_ROPE | {"partial_rotary_factor": 1.0},
        ),
        vision_config=_VISION
        | {
            "depth": 2,
            "num_heads": 2,
            "out_hidden_size": 64,
            "spatial_merge_size": MERGE,
            "num_position_embeddings": 64,
        },
    )
    images = Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, size=PAGE_AREA)
    del marks["video_pad"]
    processor = without_video(Qwen3VLProcessor)(
        image_processor=images, tokenizer=tokenizer, chat_template=_template(marks)
    )
    return _save(folder, Qwen3_5ForConditionalGeneration, config, processor)


def internvl(folder: Path) -> Path:
    """An InternVL of 0.2 M parameters that cuts a page into at most two tiles."""
    marks = {
        "start_image_token": "<img>",
        "context_image_token": "<IMG_CONTEXT>",
        "end_image_token": "</img>",
        "video_token": "<video>",
    }
    tokenizer = _tokenizer(marks, named=[*marks])
    config = InternVLConfig(
        image_token_id=tokenizer.get_vocab()[marks["context_image_token"]],
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=False,
        text_config=_text(tokenizer, model_type="qwen2"),
        vision_config=_VISION
        | {
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": (PAGE_SIDE, PAGE_SIDE),
            "patch_size": (PATCH, PATCH),
        },
    )
    images = GotOcr2ImageProcessorPil(
        size={"height": PAGE_SIDE, "width": PAGE_SIDE}, crop_to_patches=True, max_patches=2
    )
    processor = without_video(InternVLProcessor)(
        image_processor=images,
        tokenizer=tokenizer,
        image_seq_length=IMAGE_TOKENS,
        chat_template=_template({"image": marks["context_image_token"]}),
    )
    return _save(folder, InternVLForConditionalGeneration, config, processor)


def _tokenizer(tokens: dict[str, str], named: Any) -> TokenizersBackend:
    """Return a tokenizer with more special tokens, those in `named` as its attributes."""
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [*tokens.values()]})
    return TokenizersBackend(
        tokenizer_object=tokenizer.backend_tokenizer,
        bos_token=chat_tokenizer.START,
        eos_token=chat_tokenizer.END_OF_TURN,
        pad_token=chat_tokenizer.PAD,
        model_max_length=chat_tokenizer.CONTEXT,
        clean_up_tokenization_spaces=False,
        extra_special_tokens={name: tokens[name] for name in named},
    )


def _text(tokenizer: TokenizersBackend, **more: Any) -> dict[str, Any]:
    return _TEXT | {"vocab_size": len(tokenizer), **special_tokens(tokenizer), **more}


def _template(marks: dict[str, str]) -> str:
    """Return the chat template, with an image as these tokens in order."""
    return chat_tokenizer.CHAT_TEMPLATE.replace(chat_tokenizer.IMAGE, "".join(marks.values()))


def _save(folder: Path, model_class: Any, config: Any, processor: Any) -> Path:
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
