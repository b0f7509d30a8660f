"""A RoBERTa with random weights that trains in a second.

Unlike BERT's, its positions start after the padding token's id. No builtin encoder is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import RobertaProcessing
from transformers import RobertaConfig, RobertaModel

from deepsynth_tui.builtin import byte_tokenizer

POSITIONS = 128  # at most: one token per byte, and two special tokens
HIDDEN = 48  # differs from the width of every small decoder
START, PAD, END = "<s>", "<pad>", "</s>"


def write(folder: Path, *, seed: int = 0) -> Path:
    """Write the encoder and its tokenizer into `folder`."""
    tokenizer = byte_tokenizer.tokenizer(
        (START, PAD, END), pad=PAD, end=END, start=START, context=POSITIONS
    )
    ids = tokenizer.get_vocab()
    backend: Any = tokenizer.backend_tokenizer
    backend.post_processor = RobertaProcessing((END, ids[END]), (START, ids[START]))
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        pad_token_id=ids[PAD],
        hidden_size=HIDDEN,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS + ids[PAD] + 1,
        initializer_range=HIDDEN**-0.5,
    )
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
