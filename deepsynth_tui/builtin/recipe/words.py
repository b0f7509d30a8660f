"""Words that no one has seen before, and those that papers are full of.

A model that should read must not be able to guess: most words are made up from syllables, or are
random characters. What is made up is held out by its spelling, so that a word of the examination
was never in a lesson, whatever the seeds.
"""

from __future__ import annotations

import random
import zlib
from functools import cache
from pathlib import Path

from num2words import num2words

HELD_OUT_OF = 8  # one made-up word in so many is kept for the examination

ONSETS = (
    *"bcdfghjklmnpqrstvwxyz",
    *(
        [
            "bl",
            "br",
            "ch",
            "cl",
            "cr",
            "dr",
            "fl",
            "fr",
            "gl",
            "gr",
            "ph",
            "pl",
            "pr",
            "qu",
            "sc",
            "sch",
            "sh",
            "sk",
            "sl",
            "sm",
            "sn",
            "sp",
            "st",
            "str",
            "sw",
            "th",
            "tr",
            "tw",
            "wh",
        ]
    ),
    "",
    "",
)
VOWELS = (
    *"aeiouaeiouaeiouy",
    *["ea", "ee", "ai", "au", "ei", "ie", "io", "oa", "oi", "oo", "ou", "ue"],
)
CODAS = (
    *"bcdfgklmnprstxz",
    *[
        "ck",
        "ct",
        "ft",
        "ld",
        "ll",
        "lt",
        "mp",
        "nd",
        "ng",
        "nk",
        "nt",
        "rd",
        "rk",
        "rm",
        "rn",
        "rs",
        "rt",
        "ss",
        "st",
        "tch",
        "tt",
    ],
)
ACCENTED = str.maketrans("aeioucnsy", "äéíöüçñšý")
FURTHER_ACCENTS = "àâãåæèêëìîïòôõøùûßœ"
COMMON = (Path(__file__).parent / "common-words.txt").read_text(encoding="utf-8").split()
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "sv", "pt", "da", "fi", "pl", "cs")


def made_up(rng: random.Random, *, held_out: bool) -> str:
    """Return a pronounceable lower-case word of 2 to 12 letters from one side of the division."""
    while True:
        syllables = rng.choices((1, 2, 3), (3, 5, 2))[0]
        word = "".join(
            rng.choice(ONSETS)
            + rng.choice(VOWELS)
            + (rng.choice(CODAS) if rng.random() < 0.45 else "")
            for _ in range(syllables)
        )
        if rng.random() < 0.06:
            place = rng.randrange(len(word))
            mark = rng.choice(FURTHER_ACCENTS) if rng.random() < 0.4 else None
            word = word[:place] + (mark or word[place].translate(ACCENTED)) + word[place + 1 :]
        if 2 <= len(word) <= 12 and is_held_out(word) == held_out:
            return word


def is_held_out(word: str) -> bool:
    """Whether a made-up word belongs to the examination."""
    return zlib.crc32(word.lower().encode()) % HELD_OUT_OF == 0


def common(rng: random.Random) -> str:
    """Return a word that is in lessons and examinations alike: every paper has them."""
    return rng.choice(COMMON) if rng.random() < 0.6 else rng.choice(number_words())


@cache
def number_words() -> tuple[str, ...]:
    """Words in twelve languages that numbers are written with, from num2words."""
    texts = (
        num2words(number, lang=language, to=form)
        for language in LANGUAGES
        for form in ("cardinal", "ordinal")
        for number in (*range(1, 31), 40, 50, 60, 70, 80, 90, 100, 1000, 1000000)
        if (language, form) != ("cs", "ordinal")  # which num2words does not know
    )
    words = {word for text in texts for word in str(text).lower().split()}
    return tuple(sorted(word for word in words if word.isalpha() and len(word) <= 12))
