"""Checkpoints that train in a second: real architectures with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    DeepseekOcr2Config,
    DeepseekOcr2ForConditionalGeneration,
    DeepseekOcr2Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    TokenizersBackend,
)
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
    DeepseekOcr2ImageProcessorPil,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from deepsynth_tui.training.modeling.video_processor import without_video
from tests.training import chat_tokenizer

PAGE_SIDE = 64
IMAGE_TOKENS = (PAGE_SIDE // 16 // 2) ** 2
TEXT: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.125,
}


def vision_model(folder: Path) -> Path:
    """A vision-language model of 0.2 M parameters, an Idefics3."""
    tokenizer = chat_tokenizer.tokenizer()
    config = Idefics3Config(
        image_token_id=tokenizer.get_vocab()[chat_tokenizer.IMAGE],
        scale_factor=2,
        tie_word_embeddings=False,
        text_config=TEXT | {"vocab_size": len(tokenizer), **special_tokens(tokenizer)},
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": PAGE_SIDE,
            "patch_size": 16,
            "initializer_range": 0.125,
        },
    )
    torch.manual_seed(0)
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    images = Idefics3ImageProcessorPil(
        do_image_splitting=False,
        size={"longest_edge": PAGE_SIDE},
        max_image_size={"longest_edge": PAGE_SIDE},
    )
    Idefics3Processor(
        image_processor=images,
        tokenizer=tokenizer,
        image_seq_len=IMAGE_TOKENS,
        chat_template=chat_tokenizer.CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder


def qwen3_vl(folder: Path) -> Path:
    """A Qwen3-VL of 0.2 M parameters, with 3-D rotary positions and DeepStack features."""
    tokenizer = chat_tokenizer.tokenizer()
    marks = [f"<|{name}|>" for name in ("image_pad", "video_pad", "vision_start", "vision_end")]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    image, video, start, end = (tokenizer.get_vocab()[mark] for mark in marks)
    text = {name: value for name, value in TEXT.items() if name != "model_type"}
    config = Qwen3VLConfig(
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=False,
        text_config=text
        | {
            "vocab_size": len(tokenizer),
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [4, 2, 2],
            },
            **special_tokens(tokenizer),
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 64,
            "depth": 2,
            "num_heads": 2,
            "out_hidden_size": 64,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "initializer_range": 0.125,
        },
    )
    torch.manual_seed(0)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    images = Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": PAGE_SIDE * PAGE_SIDE},
    )
    without_video(Qwen3VLProcessor)(
        image_processor=images,
        tokenizer=tokenizer,
        chat_template=chat_tokenizer.CHAT_TEMPLATE.replace(
            "<image>", "<|vision_start|><|image_pad|><|vision_end|>"
        ),
    ).save_pretrained(folder)
    return folder


def language_model(folder: Path, *, chat_template: bool = True) -> Path:
    """A language model of 0.1 M parameters that reads no images."""
    tokenizer = chat_tokenizer.tokenizer()
    if chat_template:
        tokenizer.chat_template = chat_tokenizer.CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(**TEXT, vocab_size=len(tokenizer), **special_tokens(tokenizer))
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def document_model(folder: Path) -> Path:
    """A small DeepSeek-OCR-2: fused experts, and a language model as vision encoder."""
    tokenizer = chat_tokenizer.tokenizer()
    config = DeepseekOcr2Config(
        image_token_id=tokenizer.get_vocab()[chat_tokenizer.IMAGE],
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "moe_intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_shared_experts": 1,
            "mlp_layer_types": ["dense", "sparse"],
            "initializer_range": 0.125,
            **special_tokens(tokenizer),
        },
        vision_config={
            "sam_config": {
                "hidden_size": 64,
                "output_channels": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "global_attn_indexes": [1],
                "downsample_channels": [32, 64],
                "initializer_range": 0.02,
            },
            "encoder_config": {
                "hidden_size": 64,
                "intermediate_size": 128,
                "num_hidden_layers": 1,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
            },
        },
    )
    torch.manual_seed(0)
    DeepseekOcr2ForConditionalGeneration(config).save_pretrained(folder)
    DeepseekOcr2Processor(
        image_processor=DeepseekOcr2ImageProcessorPil(), tokenizer=tokenizer
    ).save_pretrained(folder)
    return folder


def special_tokens(tokenizer: TokenizersBackend) -> dict[str, Any]:
    """Return the ids of the special tokens under their names in a model config."""
    ids = tokenizer.get_vocab()
    return {
        "bos_token_id": ids[chat_tokenizer.START],
        "eos_token_id": ids[chat_tokenizer.END_OF_TURN],
        "pad_token_id": ids[chat_tokenizer.PAD],
    }
