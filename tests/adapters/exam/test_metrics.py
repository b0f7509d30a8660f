"""Metrics of answers, against values computed by hand; intervals and differences."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deepsynth_tui.adapters.exam.bootstrap import draw
from deepsynth_tui.adapters.exam.metrics import field_matches, is_json, repetition, row_scores


@pytest.mark.parametrize(
    ("target", "output", "expected"),
    [
        (
            "paid in full",
            " paid in full\n",
            {"exact_match": 1, "cer": 0, "wer": 0, "rouge_l": 1, "anls": 1},
        ),
        # One character of 12, one word of 3; two of three words in common: F = 2 * 2 / (3 + 3).
        (
            "paid in full",
            "paid in fall",
            {
                "exact_match": 0,
                "cer": 1 / 12,
                "wer": 1 / 3,
                "edit_distance": 1 / 12,
                "rouge_l": 2 / 3,
            }
            | {"anls": 11 / 12},
        ),
        ("PAID", "paid", {"exact_match": 0, "cer": 1, "wer": 1, "rouge_l": 1, "anls": 1}),
        ("ab", "abcdef", {"cer": 2, "wer": 1, "edit_distance": 4 / 6, "anls": 0}),
        (
            "ab",
            "",
            {"exact_match": 0, "cer": 1, "wer": 1, "edit_distance": 1, "rouge_l": 0, "anls": 0},
        ),
    ],
)
def test_the_metrics_of_an_answer(target: str, output: str, expected: dict[str, float]) -> None:
    scores = row_scores(target, output)
    values = {name: scores[name][0] / scores[name][1] for name in expected}
    assert values == pytest.approx(expected)
    assert "field_match" not in scores


def test_repetition_counts_sequences_of_four_words_that_occurred_before() -> None:
    assert repetition("a b c d") == 0
    assert repetition("a b c") == 0
    assert repetition("x " * 8) == pytest.approx(4 / 5)  # five sequences, one of them new
    assert repetition("合計" * 4) == pytest.approx(3 / 5)  # characters are words: 2 of 5 are new


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ('{"total": 9.0, "items": [{"name": "rye "}], "note": null}', ["total", "name", "note"]),
        ('```json\n{"total": 9, "items": [{"name": "oat"}]}\n```', ["total"]),
        ('{"total": "9", "items": []}', []),
        ("The total is 9.", []),
    ],
)
def test_fields_of_json_targets_are_compared_by_their_path(output: str, right: list[str]) -> None:
    target = '{"total": 9, "items": [{"name": "rye"}], "note": null}'
    fields = field_matches(target, output)
    assert fields is not None
    assert fields.keys() == {"total", "items.0.name", "note"}
    assert [path.rpartition(".")[2] for path, matches in fields.items() if matches] == right
    assert row_scores(target, output)["field_match"] == (len(right), 3)
    assert is_json(output) == (not output.startswith("The"))


@pytest.mark.parametrize("target", ["9", '"text"', "{}", "[]", "null", "not json"])
def test_a_target_without_fields_has_no_field_match(target: str) -> None:
    assert field_matches(target, json.dumps({"a": 1})) is None


def test_intervals_are_of_documents_and_differences_are_paired() -> None:
    random = np.random.default_rng(0)
    groups = [f"document {number // 5}" for number in range(200)]
    hard = np.repeat(random.random(40), 5)  # rows of a document are alike
    first = [(float(value), 1.0) for value in hard]
    second = [(float(value) + 0.1, 1.0) for value in hard]
    a, b = draw([first, second], groups)
    assert a.interval().value == pytest.approx(hard.mean())
    by_rows = draw([first], range(200))[0].interval()
    width = a.interval().high - a.interval().low
    assert width > 1.5 * (by_rows.high - by_rows.low)
    # sqrt(variance of documents / documents) * 2 * 1.96
    assert width == pytest.approx(3.92 * hard[::5].std() / 40**0.5, rel=0.1)
    difference = b.difference(a)
    assert (difference.low, difference.high) == pytest.approx((0.1, 0.1))
    assert difference.excludes_zero
    assert not a.difference(a).excludes_zero
    assert draw([first], groups)[0].interval() == a.interval()  # the same draws each time


def test_a_rate_is_of_all_characters_not_the_mean_of_rates() -> None:
    (draws,) = draw([[(1.0, 1.0), (0.0, 99.0)]], ["a", "b"])
    assert draws.value == 0.01
