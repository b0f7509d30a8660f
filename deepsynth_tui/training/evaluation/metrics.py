"""How near generated answers come to the right ones: exact match, ROUGE-L and the character
error rate."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Indel, Levenshtein

# What `rouge_score` counts as words, lower-cased runs of letters and digits, but of any script;
# Chinese and Japanese write no spaces, so there each character is one.
_NO_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_NO_SPACES}]|[^\\W_{_NO_SPACES}]+")


def words(text: str) -> list[str]:
    """Words of a text as ROUGE compares them."""
    return _WORD.findall(text.lower())


def exact_match(targets: Sequence[str], outputs: Sequence[str]) -> float:
    """Share of the outputs, from 0 to 1, without any error, but for white space around them."""
    errors = character_errors(targets, outputs)
    return sum(error == 0 for error in errors) / len(errors)


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
    return sum(character_errors(targets, outputs)) / sum(len(target.strip()) for target in targets)


def character_errors(targets: Sequence[str], outputs: Sequence[str]) -> list[int]:
    """Characters to insert, delete or replace in each output, but for white space around it."""
    pairs = zip(targets, outputs, strict=True)
    return [Levenshtein.distance(target.strip(), output.strip()) for target, output in pairs]


def error_interval(
    errors: Sequence[int], lengths: Sequence[int], *, draws: int = 4000, seed: int = 0
) -> tuple[float, float]:
    """Bounds that the error rate of other documents of this kind has in 95 of 100 cases.

    Bootstrap over documents, percentile method: errors of one document come together.
    """
    chosen = np.random.default_rng(seed).integers(len(errors), size=(draws, len(errors)))
    rates = np.asarray(errors)[chosen].sum(axis=1) / np.asarray(lengths)[chosen].sum(axis=1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)
