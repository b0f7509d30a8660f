"""Made-up words, and common words of documents.

A model that is to read must not be able to guess, so most words are made up from syllables. The
spelling of a made-up word decides whether it is held out for evaluation: whatever the seeds, no
such word occurs in the training data.
"""

from __future__ import annotations

import random
import zlib
from functools import cache
from pathlib import Path

from num2words import num2words

HELD_OUT_MODULUS = 8  # one in eight made-up words is held out for evaluation

ONSETS = (
    *"bcdfghjklmnpqrstvwxyz",
    *("bl", "br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "ph", "pl", "pr", "qu", "sc"),
    *("sch", "sh", "sk", "sl", "sm", "sn", "sp", "st", "str", "sw", "th", "tr", "tw", "wh"),
    *("", ""),
)
VOWELS = (
    *"aeiouaeiouaeiouy",
    *("ea", "ee", "ai", "au", "ei", "ie", "io", "oa", "oi", "oo", "ou", "ue"),
)
CODAS = (
    *"bcdfgklmnprstxz",
    *("ck", "ct", "ft", "ld", "ll", "lt", "mp", "nd", "ng", "nk", "nt", "rd", "rk", "rm", "rn"),
    *("rs", "rt", "ss", "st", "tch", "tt"),
)
ACCENTED = str.maketrans("aeioucnsy", "äéíöüçñšý")
FURTHER_ACCENTS = "àâãåæèêëìîïòôõøùûßœ"
COMMON_WORDS = (Path(__file__).parent / "common-words.txt").read_text(encoding="utf-8").split()
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "sv", "pt", "da", "fi", "pl", "cs")


def random_word(rng: random.Random, *, held_out: bool) -> str:
    """Return a pronounceable lower-case word of 2 to 12 letters, held out or not."""
    while True:
        syllables = rng.choices((1, 2, 3), (3, 5, 2))[0]
        word = "".join(
            rng.choice(ONSETS)
            + rng.choice(VOWELS)
            + (rng.choice(CODAS) if rng.random() < 0.45 else "")
            for _ in range(syllables)
        )
        if rng.random() < 0.06:
            index = rng.randrange(len(word))
            accented = rng.choice(FURTHER_ACCENTS) if rng.random() < 0.4 else None
            accented = accented or word[index].translate(ACCENTED)
            word = word[:index] + accented + word[index + 1 :]
        if 2 <= len(word) <= 12 and is_held_out(word) == held_out:
            return word


def is_held_out(word: str) -> bool:
    """Return whether a made-up word is held out for evaluation."""
    return zlib.crc32(word.lower().encode()) % HELD_OUT_MODULUS == 0


def common_word(rng: random.Random) -> str:
    """Return a common word, which may occur in training and evaluation alike."""
    return rng.choice(COMMON_WORDS) if rng.random() < 0.6 else rng.choice(number_words())


@cache
def number_words() -> tuple[str, ...]:
    """Return the words for numbers in twelve languages, from num2words."""
    texts = (
        num2words(number, lang=language, to=form)
        for language in LANGUAGES
        for form in ("cardinal", "ordinal")
        for number in (*range(1, 31), 40, 50, 60, 70, 80, 90, 100, 1000, 1000000)
        if (language, form) != ("cs", "ordinal")  # not supported by num2words
    )
    words = {word for text in texts for word in str(text).lower().split()}
    return tuple(sorted(word for word in words if word.isalpha() and len(word) <= 12))
