"""More checkpoints that train in a second, of the families that are fine-tuned most."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
    Qwen3VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMProcessor,
    TokenizersBackend,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from deepsynth_tui.training.modeling.video_processor import without_video
from tests.training import chat_tokenizer
from tests.training.small_models import IMAGE_TOKENS, PAGE_SIDE, TEXT, special_tokens

_PLAIN_TEXT = {name: value for name, value in TEXT.items() if name != "model_type"}
_ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}

# What Gemma's template does: questions and answers alternate, and texts are stripped.
GEMMA_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif -%}
<start_of_turn>{{ ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}<start_of_image>{%- else -%}{{ part['text'] | trim }}{%- endif -%}
{%- endfor -%}
<end_of_turn>{{ '\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}<start_of_turn>model{{ '\n' }}{%- endif -%}
"""


def gemma3(folder: Path) -> Path:
    """A Gemma 3 of 0.2 M parameters. Its processor puts line breaks around images."""
    tokenizer = chat_tokenizer.tokenizer()
    marks = [f"<{name}>" for name in ("start_of_turn", "end_of_turn")]
    images = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer.add_special_tokens({"additional_special_tokens": [*marks, *images.values()]})
    tokenizer.add_tokens(["\n\n", "\n\n\n"])  # tokens of their own, as Gemma has them
    tokenizer = TokenizersBackend(
        tokenizer_object=tokenizer.backend_tokenizer,
        bos_token=chat_tokenizer.START,
        eos_token="<end_of_turn>",
        pad_token=chat_tokenizer.PAD,
        model_max_length=chat_tokenizer.CONTEXT,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=images,
    )
    ids = tokenizer.get_vocab()
    end_of_turn = ids["<end_of_turn>"]
    config = Gemma3Config(
        mm_tokens_per_image=IMAGE_TOKENS,
        image_token_index=ids["<image_soft_token>"],
        boi_token_index=ids["<start_of_image>"],
        eoi_token_index=ids["<end_of_image>"],
        text_config=_PLAIN_TEXT
        | {"vocab_size": len(tokenizer), "head_dim": 16}
        | special_tokens(tokenizer)
        | {"eos_token_id": end_of_turn},
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": PAGE_SIDE,
            "patch_size": 16,
        },
    )
    torch.manual_seed(0)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": PAGE_SIDE, "width": PAGE_SIDE}),
        tokenizer=tokenizer,
        image_seq_length=IMAGE_TOKENS,
        chat_template=GEMMA_TEMPLATE,
    ).save_pretrained(folder)
    return folder


def qwen2_5_vl(folder: Path) -> Path:
    """A Qwen2.5-VL of 0.2 M parameters, with window attention in the vision tower."""
    tokenizer = chat_tokenizer.tokenizer()
    marks = [f"<|{name}|>" for name in ("image_pad", "video_pad", "vision_start", "vision_end")]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    image, video, start, end = (tokenizer.get_vocab()[mark] for mark in marks)
    config = Qwen2_5_VLConfig(
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=False,
        text_config=_PLAIN_TEXT
        | {
            "vocab_size": len(tokenizer),
            "rope_parameters": _ROPE,
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
            "window_size": 64,
            "fullatt_block_indexes": [1],
            "initializer_range": 0.125,
        },
    )
    torch.manual_seed(0)
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    images = Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": PAGE_SIDE * PAGE_SIDE},
    )
    without_video(Qwen2_5_VLProcessor)(
        image_processor=images,
        tokenizer=tokenizer,
        chat_template=chat_tokenizer.CHAT_TEMPLATE.replace(
            "<image>", "<|vision_start|><|image_pad|><|vision_end|>"
        ),
    ).save_pretrained(folder)
    return folder


def qwen3_vl_moe(folder: Path) -> Path:
    """A Qwen3-VL with a mixture of experts, of 0.3 M parameters."""
    tokenizer = chat_tokenizer.tokenizer()
    marks = [f"<|{name}|>" for name in ("image_pad", "video_pad", "vision_start", "vision_end")]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    image, video, start, end = (tokenizer.get_vocab()[mark] for mark in marks)
    config = Qwen3VLMoeConfig(
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=False,
        text_config=_PLAIN_TEXT
        | {
            "vocab_size": len(tokenizer),
            "head_dim": 16,
            "moe_intermediate_size": 32,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "rope_parameters": _ROPE,
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
    Qwen3VLMoeForConditionalGeneration(config).save_pretrained(folder)
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


def smolvlm(folder: Path) -> Path:
    """A SmolVLM of 0.2 M parameters."""
    tokenizer = chat_tokenizer.tokenizer()
    config = SmolVLMConfig(
        image_token_id=tokenizer.get_vocab()[chat_tokenizer.IMAGE],
        scale_factor=2,
        tie_word_embeddings=False,
        text_config=TEXT | {"vocab_size": len(tokenizer), **special_tokens(tokenizer)},
        vision_config={
            "model_type": "smolvlm_vision",
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
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    images = SmolVLMImageProcessorPil(
        do_image_splitting=False,
        size={"longest_edge": PAGE_SIDE},
        max_image_size={"longest_edge": PAGE_SIDE},
    )
    without_video(SmolVLMProcessor)(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=None,
        image_seq_len=IMAGE_TOKENS,
        chat_template=chat_tokenizer.CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder


def qwen3(folder: Path) -> Path:
    """A Qwen3 of 0.1 M parameters, with query and key norms and tied embeddings."""
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.chat_template = chat_tokenizer.CHAT_TEMPLATE
    config = Qwen3Config(
        **_PLAIN_TEXT,
        head_dim=16,
        vocab_size=len(tokenizer),
        tie_word_embeddings=True,
        **special_tokens(tokenizer),
    )
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
