"""Tokens that are single bytes: they write every script, and need no training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import TokenizersBackend


def alphabet() -> list[str]:
    """Return the character that GPT-2's byte-level tokenizers write for each of the 256 bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def tokenizer(
    special: Sequence[str], *, pad: str, end: str, start: str | None = None, context: int
) -> TokenizersBackend:
    """Return a byte-level tokenizer: 256 byte tokens, then the `special` ones; no merges.

    `pad`, `end` and `start` name its roles among them; `context` is its longest text in tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import TokenizersBackend

    vocabulary = {character: i for i, character in enumerate(alphabet())}
    fast = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    return TokenizersBackend(
        tokenizer_object=fast,
        bos_token=start,
        eos_token=end,
        pad_token=pad,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
