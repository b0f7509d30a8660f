"""Text encoders of both families, small enough to train in a second, with random weights.

Each reads one token per byte, framed as its family frames a text: [CLS] and [SEP] around it for
BERT and RoBERTa, an end of text behind it for Qwen3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedModel,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
)
from transformers import TokenizersBackend as Tokenizer

from deepsynth_tui.builtin import tiny_vlm

HIDDEN = 48  # not the width of any small decoder
POSITIONS = 128  # tokens
SHAPE: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": POSITIONS,
    "initializer_range": HIDDEN**-0.5,
}


def write(family: str, folder: Path, *, seed: int = 0) -> Path:
    """Write an encoder, `qwen3`, `bert` or `roberta`, and its tokenizer into `folder`."""
    tokenizer = _tokenizer(family)
    shape: dict[str, Any] = SHAPE | {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.get_vocab()[tiny_vlm.PAD],
    }
    torch.manual_seed(seed)
    model: PreTrainedModel
    if family == "bert":
        model = BertModel(BertConfig(**shape), add_pooling_layer=False)
    elif family == "roberta":
        # Its positions begin behind the padding token's id.
        shape["max_position_embeddings"] += shape["pad_token_id"] + 1
        model = RobertaModel(RobertaConfig(**shape), add_pooling_layer=False)
    else:
        model = Qwen3Model(Qwen3Config(**shape, num_key_value_heads=2, head_dim=12))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(family: str) -> Tokenizer:
    tokenizer = tiny_vlm.tokenizer()
    start, end = tiny_vlm.START, tiny_vlm.END_OF_TEXT
    backend: Any = tokenizer.backend_tokenizer
    backend.post_processor = TemplateProcessing(
        single=f"{start} $A {end}" if family != "qwen3" else f"$A {end}",
        special_tokens=[(name, tokenizer.get_vocab()[name]) for name in (start, end)],
    )
    return tokenizer
