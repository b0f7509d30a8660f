"""A tokenizer with a chat template for small models of any family: one token per byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepsynth_tui.builtin import byte_tokenizer

if TYPE_CHECKING:
    from transformers import TokenizersBackend

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


def tokenizer() -> TokenizersBackend:
    """Return the tokenizer, without the template."""
    special = (PAD, START, END_OF_TEXT, END_OF_TURN, IMAGE, IMAGE_EDGE, GLOBAL_IMAGE)
    special += (END_OF_UTTERANCE, *TILES)
    return byte_tokenizer.tokenizer(special, pad=PAD, end=END_OF_TURN, start=START, context=CONTEXT)
