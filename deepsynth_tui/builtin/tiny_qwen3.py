"""`builtin:tiny-qwen3`: a very small Qwen3 text encoder with random weights.

It lets every part of the text encoder pipeline run without the Hub. It reads one token per byte
and, like Qwen3-Embedding, an end-of-text token whose hidden state represents the whole text.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.builtin import byte_tokenizer
from deepsynth_tui.builtin.build_cached import build_cached

if TYPE_CHECKING:
    from transformers import Qwen3Config, TokenizersBackend

# Name of the folder. Change it with anything below: adapters record what they were trained with
# under this name.
VERSION = "tiny-qwen3-1"

SEED = 20_261_126
CONTEXT = 2048  # tokens
HIDDEN_SIZE = 96
END_OF_TEXT, START, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"


def checkpoint() -> Path:
    """Return the checkpoint folder in the cache, written on first use. Raises OSError."""
    return build_cached(VERSION, write)


def write(folder: Path) -> None:
    """Write model and tokenizer into `folder`."""
    import torch
    from transformers import Qwen3Model

    qwen3_tokenizer = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Qwen3Model(model_config(qwen3_tokenizer))
    model.save_pretrained(folder)
    qwen3_tokenizer.save_pretrained(folder)


def tokenizer() -> TokenizersBackend:
    """Return the byte-level tokenizer, which appends `END_OF_TEXT` to every text."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    qwen3_tokenizer = byte_tokenizer.tokenizer(
        (END_OF_TEXT, START, END_OF_TURN), pad=END_OF_TEXT, end=END_OF_TURN, context=CONTEXT
    )
    backend: Tokenizer = qwen3_tokenizer.backend_tokenizer
    backend.post_processor = TemplateProcessing(
        single=f"$A {END_OF_TEXT}",
        special_tokens=[(END_OF_TEXT, qwen3_tokenizer.get_vocab()[END_OF_TEXT])],
    )
    return qwen3_tokenizer


def model_config(tokenizer: TokenizersBackend) -> Qwen3Config:
    """Return the configuration of the model: 0.3 million parameters."""
    from transformers import Qwen3Config

    ids = tokenizer.get_vocab()
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN_SIZE,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=24,
        max_position_embeddings=CONTEXT,
        # Gives linear layers of this width unit variance, so that the output of a random network
        # still depends on its input. The usual 0.02 suits widths near 2500.
        initializer_range=HIDDEN_SIZE**-0.5,
        eos_token_id=ids[END_OF_TURN],
        pad_token_id=ids[END_OF_TEXT],
    )
