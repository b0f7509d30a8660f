"""A byte-level tokenizer without merges: it encodes every script and needs no training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import TokenizersBackend


def alphabet() -> list[str]:
    """Return the 256 characters that GPT-2's byte-level tokenizer uses for bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def tokenizer(
    special: Sequence[str], *, pad: str, end: str, start: str | None = None, context: int
) -> TokenizersBackend:
    """Return a tokenizer with 256 byte tokens followed by the special tokens.

    Args:
        special: The special tokens.
        pad: The padding token, one of `special`; likewise `end` and `start`.
        end: The end-of-sequence token.
        start: The beginning-of-sequence token.
        context: Maximum length in tokens.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import TokenizersBackend

    vocabulary = {character: i for i, character in enumerate(alphabet())}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in special]
    )
    return TokenizersBackend(
        tokenizer_object=backend,
        bos_token=start,
        eos_token=end,
        pad_token=pad,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
