"""The untrained model: a very small Qwen3-VL of transformers, and its processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.builtin import byte_tokenizer

if TYPE_CHECKING:
    from transformers import Qwen3VLConfig, TokenizersBackend
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

SEED = 20_261_125
PATCH_SIZE = 8  # pixels
MERGE_SIZE = 2  # patches along each side of an image token
MAX_PIXELS = 512 * 512  # larger pages are resized
CONTEXT = 2048  # tokens

PAD, START, END = "<pad>", "<|im_start|>", "<|im_end|>"
USER, ASSISTANT, SYSTEM = "<|user|>", "<|assistant|>", "<|system|>"
# Names that `Qwen3VLProcessor` looks up in its tokenizer.
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
SPECIAL_TOKENS = (PAD, START, END, USER, ASSISTANT, SYSTEM, IMAGE, VIDEO, VISION_START, VISION_END)

# For processor_config.json. If torchvision is installed, transformers requires a video processor
# for every Qwen3-VL; without torchvision it cannot write one.
VIDEO_PROCESSOR = {
    "video_processor_type": "Qwen3VLVideoProcessor",
    "patch_size": PATCH_SIZE,
    "merge_size": MERGE_SIZE,
    "temporal_patch_size": 1,
}

# Each role is one special token; spelled out, it would take one token per letter.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|{{ message['role'] }}|>
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part['type'] == 'text' -%}{{ part['text'] }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""


def write(folder: Path) -> None:
    """Write random weights, tokenizer, image processor, chat template and generation config."""
    import torch
    from transformers import GenerationConfig, Qwen3VLForConditionalGeneration

    byte_level = tokenizer()
    ids = byte_level.get_vocab()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Qwen3VLForConditionalGeneration(model_config(byte_level))
    model.generation_config = GenerationConfig(
        bos_token_id=ids[START], eos_token_id=ids[END], pad_token_id=ids[PAD], max_new_tokens=512
    )
    model.save_pretrained(folder)
    byte_level.chat_template = CHAT_TEMPLATE
    byte_level.save_pretrained(folder)
    image_processor().save_pretrained(folder)


def tokenizer() -> TokenizersBackend:
    """Return the byte-level tokenizer."""
    return byte_tokenizer.tokenizer(SPECIAL_TOKENS, pad=PAD, end=END, start=START, context=CONTEXT)


def image_processor() -> Qwen2VLImageProcessorPil:
    """Return the image processor, which keeps pages at their size up to `MAX_PIXELS`."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    side = PATCH_SIZE * MERGE_SIZE
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH_SIZE,
        merge_size=MERGE_SIZE,
        temporal_patch_size=1,
        size={"shortest_edge": side * side, "longest_edge": MAX_PIXELS},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def model_config(tokenizer: TokenizersBackend) -> Qwen3VLConfig:
    """Return the model configuration; its size is chosen for training on two CPU cores."""
    from transformers import Qwen3VLConfig

    ids = tokenizer.get_vocab()
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
        "head_dim": 32,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.05,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
        "bos_token_id": ids[START],
        "eos_token_id": ids[END],
        "pad_token_id": ids[PAD],
    }
    vision: dict[str, Any] = {
        "hidden_size": 128,
        "intermediate_size": 384,
        "depth": 4,
        "num_heads": 4,
        "out_hidden_size": 192,
        "patch_size": PATCH_SIZE,
        "spatial_merge_size": MERGE_SIZE,
        "temporal_patch_size": 1,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [1],
        "initializer_range": 0.05,
    }
    return Qwen3VLConfig(
        image_token_id=ids[IMAGE],
        video_token_id=ids[VIDEO],
        vision_start_token_id=ids[VISION_START],
        vision_end_token_id=ids[VISION_END],
        tie_word_embeddings=True,
        text_config=text,
        vision_config=vision,
    )
