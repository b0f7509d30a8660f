"""The recipe of `builtin:tiny-vlm`: a real vision-language architecture, very small.

Idefics3 as transformers has it (a SigLIP-style vision tower, a pixel-shuffle projector, a Llama
decoder) with about 2.4 million parameters drawn from a fixed seed. It can read nothing yet: its
use is to run the whole job, loading to adapter, on a machine without Hub access or GPU.
The tokenizer has one token per byte, so it writes every script and needs no training data.

Idefics3 rather than the Qwen family, because the processors of Qwen bring a video processor that
needs torchvision, which this program does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.builtin import bytewise
from deepsynth_tui.builtin.made_once import made_once

if TYPE_CHECKING:
    from transformers import Idefics3Config, Idefics3Processor, TokenizersBackend

# The folder's name. A change of anything below needs a new one: adapters remember what they were
# trained on by this name.
VERSION = "tiny-vlm-1"

SEED = 20_240_607
PAGE_SIDE = 224  # pixels: a page is resized to this square
PATCH_SIDE = 16  # pixels
PIXEL_SHUFFLE = 2  # patches along each side that the projector folds into one image token
IMAGE_TOKENS = (PAGE_SIDE // PATCH_SIDE // PIXEL_SHUFFLE) ** 2
CONTEXT = 4096  # tokens

PAD, START, END_OF_TEXT, END_OF_TURN = "<pad>", "<|im_start|>", "<|endoftext|>", "<|im_end|>"
# Names that `Idefics3Processor` looks up in its tokenizer.
IMAGE, IMAGE_EDGE, GLOBAL_IMAGE = "<image>", "<fake_token_around_image>", "<global-img>"
END_OF_UTTERANCE = "<end_of_utterance>"
TILES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message['role'] + '\n' }}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}<image>{%- elif part['type'] == 'text' -%}{{ part['text'] }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>{{ '\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>{{ 'assistant\n' }}{%- endif -%}
"""


def checkpoint() -> Path:
    """Return the checkpoint folder in the cache, written at first use. Raises OSError."""
    return made_once(VERSION, write)


def write(folder: Path) -> None:
    """Write model, tokenizer, processor, chat template and generation settings into `folder`."""
    import torch
    from transformers import GenerationConfig, Idefics3ForConditionalGeneration

    language = tokenizer()
    config = configuration(language)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Idefics3ForConditionalGeneration(config)
    ids = language.get_vocab()
    model.generation_config = GenerationConfig(
        bos_token_id=ids[START],
        eos_token_id=ids[END_OF_TURN],
        pad_token_id=ids[PAD],
    )
    model.save_pretrained(folder)
    processor(language).save_pretrained(folder)


def tokenizer() -> TokenizersBackend:
    """Return the byte-level tokenizer."""
    special = (PAD, START, END_OF_TEXT, END_OF_TURN, IMAGE, IMAGE_EDGE, GLOBAL_IMAGE)
    special += (END_OF_UTTERANCE, *TILES)
    return bytewise.tokenizer(special, pad=PAD, end=END_OF_TURN, start=START, context=CONTEXT)


def processor(language: TokenizersBackend) -> Idefics3Processor:
    """Return the processor: one square image per page, no tiles."""
    from transformers import Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import (
        Idefics3ImageProcessorPil,
    )

    images = Idefics3ImageProcessorPil(
        do_image_splitting=False,
        size={"longest_edge": PAGE_SIDE},
        max_image_size={"longest_edge": PAGE_SIDE},
    )
    return Idefics3Processor(
        image_processor=images,
        tokenizer=language,
        image_seq_len=IMAGE_TOKENS,
        chat_template=CHAT_TEMPLATE,
    )


def configuration(language: TokenizersBackend) -> Idefics3Config:
    """Return the shape of the model. Widths and depths are ours, chosen for two CPU cores."""
    from transformers import Idefics3Config

    ids = language.get_vocab()
    hidden = 192
    return Idefics3Config(
        image_token_id=ids[IMAGE],
        scale_factor=PIXEL_SHUFFLE,
        tie_word_embeddings=False,
        text_config={
            "model_type": "llama",
            "vocab_size": len(language),
            "hidden_size": hidden,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-5,
            # Unit variance through a linear of this width, so that a random network still carries
            # its input to the output; the usual 0.02 is meant for widths near 2500.
            "initializer_range": hidden**-0.5,
            "bos_token_id": ids[START],
            "eos_token_id": ids[END_OF_TURN],
            "pad_token_id": ids[PAD],
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": PAGE_SIDE,
            "patch_size": PATCH_SIDE,
            "initializer_range": 128**-0.5,
        },
    )
