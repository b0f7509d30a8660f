"""Metrics of one answer, each as a numerator and a denominator.

The metric of many answers is the sum of the numerators over the sum of the denominators: the mean
where the denominator is 1, and the usual rate of errors per character, word or field elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import Levenshtein

from deepsynth_tui.training.evaluation.metrics import character_errors, rouge_l, rouge_words

ANLS_THRESHOLD = 0.5  # Biten et al., 2019: an answer that is less similar counts nothing
REPEATED_WORDS = 4  # seq-rep-4 of Welleck et al., 2020
_FENCE = re.compile(r"```(?:json)?\s*\n(?P<body>.*?)\n?\s*```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and how it reads. With `is_share`, it is shown in percent."""

    label: str
    higher_is_better: bool
    help: str
    is_share: bool = True


METRICS: Mapping[str, Metric] = {
    "exact_match": Metric("exact match", True, "answers that are equal to the target"),
    "cer": Metric("CER", False, "edits per character of the targets"),
    "wer": Metric("WER", False, "edits per word of the targets, words split at white space"),
    "edit_distance": Metric(
        "edit distance", False, "mean edits over the length of the longer of answer and target"
    ),
    "rouge_l": Metric("ROUGE-L", True, "mean F-measure of the longest common subsequence of words"),
    "anls": Metric("ANLS", True, "mean similarity, 0 below a half, ignoring case"),
    "field_match": Metric("field match", True, "fields of JSON targets with the right value"),
    "repetition": Metric("repetition", False, "mean share of 4-word sequences that are repeated"),
}

Score = tuple[float, float]
"""Numerator and denominator."""


def row_scores(target: str, output: str) -> dict[str, Score]:
    """Return the scores of one answer; `field_match` only for a target that is JSON.

    White space around target and answer is ignored.
    """
    target, output = target.strip(), output.strip()
    (errors,) = character_errors([target], [output])
    words = target.split()
    scores: dict[str, Score] = {
        "exact_match": (float(target == output), 1.0),
        "cer": (float(errors), float(len(target))),
        "wer": (float(Levenshtein.distance(words, output.split())), float(len(words))),
        "edit_distance": (Levenshtein.normalized_distance(target, output), 1.0),
        "rouge_l": (rouge_l([target], [output]), 1.0),
        "anls": (anls(target, output), 1.0),
        "repetition": (repetition(output), 1.0),
    }
    fields = field_matches(target, output)
    if fields is not None:
        scores["field_match"] = (float(sum(fields.values())), float(len(fields)))
    return scores


def anls(target: str, output: str) -> float:
    """Return the normalized Levenshtein similarity, 0 below the threshold, ignoring case."""
    similarity = Levenshtein.normalized_similarity(target.lower(), output.lower())
    return similarity if similarity >= ANLS_THRESHOLD else 0.0


def repetition(output: str) -> float:
    """Return the share of sequences of four words that occurred before in the answer."""
    words = rouge_words(output)
    count = len(words) - REPEATED_WORDS + 1
    if count < 1:
        return 0.0
    return 1 - len({tuple(words[i : i + REPEATED_WORDS]) for i in range(count)}) / count


def field_matches(target: str, output: str) -> dict[str, bool] | None:
    """Return for each field of a JSON target whether the answer has its value.

    Fields are the values at the leaves of objects and lists, by their path: `items.0.price`. None
    for a target that is no object or list, or has no field. An answer that is not JSON has none.
    """
    fields = _leaves(_parse(target))
    if not fields:
        return None
    answered = _leaves(_parse(output)) or {}
    return {
        path: path in answered and _canonical(answered[path]) == _canonical(value)
        for path, value in fields.items()
    }


def is_json(output: str) -> bool:
    """Whether an answer is a JSON object or list, possibly in a code fence."""
    return _parse(output) is not None


def _parse(text: str) -> dict[str, Any] | list[Any] | None:
    fenced = _FENCE.fullmatch(text.strip())
    try:
        value = json.loads(fenced["body"] if fenced else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _leaves(value: Any, path: str = "") -> dict[str, Any] | None:
    if value is None and not path:
        return None
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        leaves: dict[str, Any] = {}
        for key, item in items:
            leaves |= _leaves(item, f"{path}.{key}" if path else str(key)) or {}
        return leaves
    return {path: value} if path else None


def _canonical(value: Any) -> str:
    """Return a value so that equal ones are equal as text; numbers and their text are not."""
    if isinstance(value, str):
        value = value.strip()
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
