"""The recipe of `builtin:tiny-bert`: a BERT text encoder, very small, with random weights.

Its use is to run every part of a text encoder's way without Hub access. Its tokenizer is BERT's,
WordPiece within [CLS] and [SEP], over bytes: the first of a word bare, the others after ##. The
class `BertTokenizer` would need every character of every script in its vocabulary, and make [UNK]
of a word with any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.builtin import byte_tokenizer
from deepsynth_tui.builtin.build_cached import build_cached

if TYPE_CHECKING:
    from transformers import BertConfig, TokenizersBackend

# The folder's name. A change of anything below needs a new one: adapters remember by it what they
# were trained on.
VERSION = "tiny-bert-1"

SEED = 20_261_127
CONTEXT = 512  # tokens
HIDDEN = 96
PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
CONTINUED = "##"


def checkpoint() -> Path:
    """Return the checkpoint folder in the cache, written at first use. Raises OSError."""
    return build_cached(VERSION, write)


def write(folder: Path) -> None:
    """Write model and tokenizer into `folder`."""
    import torch
    from transformers import BertModel

    language = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = BertModel(configuration(language))
    model.save_pretrained(folder)
    language.save_pretrained(folder)


def tokenizer() -> TokenizersBackend:
    """Return the WordPiece tokenizer: the special tokens, then each byte at a word's start and
    within one. Words end at white space and punctuation, which are words of one character, and
    after 25 characters: of more than 100 bytes WordPiece would make `UNKNOWN`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import TokenizersBackend

    alphabet = byte_tokenizer.alphabet()
    tokens = [PAD, UNKNOWN, START, END, MASK, *alphabet, *(CONTINUED + one for one in alphabet)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    fast = Tokenizer(
        models.WordPiece(
            vocab=vocabulary,
            unk_token=UNKNOWN,
            continuing_subword_prefix=CONTINUED,
            max_input_chars_per_word=100,
        )
    )
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s|\p{P}|[^\s\p{P}]{1,25}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    fast.decoder = decoders.Sequence(
        [decoders.Replace(Regex(f"^{CONTINUED}"), ""), decoders.ByteLevel()]
    )
    fast.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(name, vocabulary[name]) for name in (START, END)],
    )
    return TokenizersBackend(
        tokenizer_object=fast,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        mask_token=MASK,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def configuration(language: TokenizersBackend) -> BertConfig:
    """Return the shape of the model: 0.4 million parameters."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(language),
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        # As in `tiny_qwen3`, and twice that: the state of [CLS] is made of what it hears of others,
        # and of itself, which is the same whatever the text is.
        initializer_range=2 * HIDDEN**-0.5,
        pad_token_id=language.get_vocab()[PAD],
    )
