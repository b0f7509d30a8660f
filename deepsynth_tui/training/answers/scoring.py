"""How near generated answers come to the right ones: ROUGE-L and the character error rate."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapidfuzz.distance import Indel, Levenshtein

# What `rouge_score` counts as words, lower-cased runs of letters and digits, but of any script;
# Chinese and Japanese write no spaces, so there each character is one.
_NO_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_NO_SPACES}]|[^\\W_{_NO_SPACES}]+")


def words(text: str) -> list[str]:
    """Words of a text as ROUGE compares them."""
    return _WORD.findall(text.lower())


def rouge_l(targets: Sequence[str], outputs: Sequence[str]) -> float:
    """Mean ROUGE-L F-measure, from 0 to 1: twice the longest common subsequence of words over the
    words of both, which is the normalised Indel similarity."""
    pairs = zip(targets, outputs, strict=True)
    scores = [Indel.normalized_similarity(words(target), words(out)) for target, out in pairs]
    return sum(scores) / len(scores)


def character_error_rate(targets: Sequence[str], outputs: Sequence[str]) -> float:
    """Characters to insert, delete or replace in all outputs, over the characters of all targets;
    more than 1 where the outputs are longer than what they should be. White space around a text
    does not count."""
    pairs = [(t.strip(), out.strip()) for t, out in zip(targets, outputs, strict=True)]
    return sum(Levenshtein.distance(*pair) for pair in pairs) / sum(len(t) for t, _ in pairs)
