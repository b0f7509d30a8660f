"""`builtin:tiny-bert`: a very small BERT text encoder with random weights.

It lets every part of the text encoder pipeline run without the Hub. Its tokenizer is WordPiece
between [CLS] and [SEP] as in BERT, but over bytes: the first byte of a word as it is, the others
prefixed with ##. `BertTokenizer` would need every character of every script in its vocabulary, and
map words with any other to [UNK].
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.builtin import byte_tokenizer
from deepsynth_tui.builtin.build_cached import build_cached

if TYPE_CHECKING:
    from transformers import BertConfig, TokenizersBackend

# Name of the folder. Change it with anything below: adapters record what they were trained with
# under this name.
VERSION = "tiny-bert-1"

SEED = 20_261_127
CONTEXT = 512  # tokens
HIDDEN_SIZE = 96
PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SUBWORD_PREFIX = "##"


def checkpoint() -> Path:
    """Return the checkpoint folder in the cache, written on first use. Raises OSError."""
    return build_cached(VERSION, write)


def write(folder: Path) -> None:
    """Write model and tokenizer into `folder`."""
    import torch
    from transformers import BertModel

    bert_tokenizer = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = BertModel(model_config(bert_tokenizer))
    model.save_pretrained(folder)
    bert_tokenizer.save_pretrained(folder)


def tokenizer() -> TokenizersBackend:
    """Return the WordPiece tokenizer: special tokens, then each byte with and without ##.

    Words end at white space, at punctuation (a word of its own), and after 25 characters, which
    keeps them below the 100 bytes above which WordPiece returns `UNKNOWN`.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import TokenizersBackend

    alphabet = byte_tokenizer.alphabet()
    subwords = (SUBWORD_PREFIX + character for character in alphabet)
    tokens = [PAD, UNKNOWN, START, END, MASK, *alphabet, *subwords]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(
        models.WordPiece(
            vocab=vocabulary,
            unk_token=UNKNOWN,
            continuing_subword_prefix=SUBWORD_PREFIX,
            max_input_chars_per_word=100,
        )
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s|\p{P}|[^\s\p{P}]{1,25}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.Sequence(
        [decoders.Replace(Regex(f"^{SUBWORD_PREFIX}"), ""), decoders.ByteLevel()]
    )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(name, vocabulary[name]) for name in (START, END)],
    )
    return TokenizersBackend(
        tokenizer_object=backend,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        mask_token=MASK,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def model_config(tokenizer: TokenizersBackend) -> BertConfig:
    """Return the configuration of the model: 0.4 million parameters."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN_SIZE,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        # Twice the value of `tiny_qwen3`: the state of [CLS] mixes what it attends to with its own
        # embedding, which is the same for every text.
        initializer_range=2 * HIDDEN_SIZE**-0.5,
        pad_token_id=tokenizer.get_vocab()[PAD],
    )
