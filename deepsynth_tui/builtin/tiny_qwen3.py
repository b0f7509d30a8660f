"""The recipe of `builtin:tiny-qwen3`: a Qwen3 text encoder, very small, with random weights.

Its use is to run every part of a text encoder's way without Hub access. It reads one token per
byte and, as Qwen3-Embedding does, an end of text behind them, whose state stands for the whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.builtin import byte_tokenizer
from deepsynth_tui.builtin.build_cached import build_cached

if TYPE_CHECKING:
    from transformers import Qwen3Config, TokenizersBackend

# The folder's name. A change of anything below needs a new one: adapters remember by it what they
# were trained on.
VERSION = "tiny-qwen3-1"

SEED = 20_261_126
CONTEXT = 2048  # tokens
HIDDEN = 96
END_OF_TEXT, START, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"


def checkpoint() -> Path:
    """Return the checkpoint folder in the cache, written at first use. Raises OSError."""
    return build_cached(VERSION, write)


def write(folder: Path) -> None:
    """Write model and tokenizer into `folder`."""
    import torch
    from transformers import Qwen3Model

    language = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Qwen3Model(configuration(language))
    model.save_pretrained(folder)
    language.save_pretrained(folder)


def tokenizer() -> TokenizersBackend:
    """Return the byte-level tokenizer; it puts `END_OF_TEXT` behind every text."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    language = byte_tokenizer.tokenizer(
        (END_OF_TEXT, START, END_OF_TURN), pad=END_OF_TEXT, end=END_OF_TURN, context=CONTEXT
    )
    backend: Tokenizer = language.backend_tokenizer
    backend.post_processor = TemplateProcessing(
        single=f"$A {END_OF_TEXT}",
        special_tokens=[(END_OF_TEXT, language.get_vocab()[END_OF_TEXT])],
    )
    return language


def configuration(language: TokenizersBackend) -> Qwen3Config:
    """Return the shape of the model: 0.3 million parameters."""
    from transformers import Qwen3Config

    ids = language.get_vocab()
    return Qwen3Config(
        vocab_size=len(language),
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=24,
        max_position_embeddings=CONTEXT,
        # Unit variance through a linear of this width, so that a random network still carries its
        # input to the output; the usual 0.02 is meant for widths near 2500.
        initializer_range=HIDDEN**-0.5,
        eos_token_id=ids[END_OF_TURN],
        pad_token_id=ids[END_OF_TEXT],
    )
