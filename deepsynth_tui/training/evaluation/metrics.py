"""Metrics of generated answers: exact match, ROUGE-L and character error rate."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Indel, Levenshtein

# Words as in `rouge_score`, lower-cased runs of letters and digits, but in any script. In Chinese
# and Japanese, which have no spaces, each character is a word.
_NO_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_NO_SPACES}]|[^\\W_{_NO_SPACES}]+")


def rouge_words(text: str) -> list[str]:
    """Split a text into the words that ROUGE compares."""
    return _WORD.findall(text.lower())


def exact_match(targets: Sequence[str], outputs: Sequence[str]) -> float:
    """Return the share of exact outputs, from 0 to 1, ignoring surrounding white space."""
    errors = character_errors(targets, outputs)
    return sum(error == 0 for error in errors) / len(errors)


def rouge_l(targets: Sequence[str], outputs: Sequence[str]) -> float:
    """Return the mean ROUGE-L F-measure, from 0 to 1.

    Twice the longest common subsequence of words over the words of both texts: the normalized Indel
    similarity.
    """
    pairs = zip(targets, outputs, strict=True)
    scores = [
        Indel.normalized_similarity(rouge_words(target), rouge_words(output))
        for target, output in pairs
    ]
    return sum(scores) / len(scores)


def character_error_rate(targets: Sequence[str], outputs: Sequence[str]) -> float:
    """Return the edit distance of all outputs over the characters of all targets.

    More than 1 is possible if outputs are longer than targets. Surrounding white space is ignored.
    """
    return sum(character_errors(targets, outputs)) / sum(len(target.strip()) for target in targets)


def character_errors(targets: Sequence[str], outputs: Sequence[str]) -> list[int]:
    """Return the edit distance of each output in characters, ignoring surrounding white space."""
    pairs = zip(targets, outputs, strict=True)
    return [Levenshtein.distance(target.strip(), output.strip()) for target, output in pairs]


def error_rate_interval(
    errors: Sequence[int], lengths: Sequence[int], *, draws: int = 4000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % confidence interval of the error rate.

    Percentile bootstrap over documents, because errors within a document are correlated.
    """
    indices = np.random.default_rng(seed).integers(len(errors), size=(draws, len(errors)))
    rates = np.asarray(errors)[indices].sum(axis=1) / np.asarray(lengths)[indices].sum(axis=1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)
