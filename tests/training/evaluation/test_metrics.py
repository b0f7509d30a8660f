"""ROUGE-L and character error rate, compared with published values."""

from __future__ import annotations

import pytest

from deepsynth_tui.training.evaluation.metrics import (
    character_error_rate,
    character_errors,
    error_rate_interval,
    exact_match,
    rouge_l,
)


@pytest.mark.parametrize(
    ("target", "output", "score"),
    [
        # google-research/rouge, rouge_scorer_test.py: recall 1/3 at precision 1, and no overlap
        ("testing one two", "testing", 0.5),
        ("testing one two", "testing two", 0.8),
        ("a", "b", 0.0),
        # Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3.1
        ("police killed the gunman", "police kill the gunman", 0.75),
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("Police, killed!", "police killed", 1.0),
        ("Größe über alles", "größe unter alles", 2 / 3),
        ("東京都", "東京", 0.8),
    ],
)
def test_rouge_l(target: str, output: str, score: float) -> None:
    assert rouge_l([target], [output]) == pytest.approx(score)


def test_rouge_l_is_the_mean_over_rows() -> None:
    assert rouge_l(["one", "two"], ["one", "three"]) == 0.5


def test_characters_are_counted_over_all_rows() -> None:
    """`kitten` to `sitting` takes three edits, in every textbook."""
    assert character_error_rate(["sitting"], ["kitten"]) == pytest.approx(3 / 7)
    assert character_error_rate(["sitting", "abc"], ["kitten", " abc\n"]) == pytest.approx(3 / 10)
    assert character_error_rate(["ab"], ["abxxxx"]) == 2.0


def test_errors_of_each_text() -> None:
    assert character_errors(["abc", " abc\n", "abc"], ["abc", "ab", "xabcx"]) == [0, 1, 2]


def test_exact_match() -> None:
    assert exact_match(["17.40", "a b", "c", ""], [" 17.40\n", "a  b", "C", "x"]) == 0.25


def test_the_interval_contains_the_rate_and_narrows_with_documents() -> None:
    few = error_rate_interval([3, 0, 1, 0], [40] * 4)
    many = error_rate_interval([3, 0, 1, 0] * 50, [40] * 200)
    assert few[0] < many[0] < 4 / 160 < many[1] < few[1]
    # Of 200 documents with a standard deviation of 1.22 errors: 1.96 * 1.22 / sqrt(200) / 40.
    assert many[1] - 4 / 160 == pytest.approx(0.0042, rel=0.15)
    assert many == error_rate_interval([3, 0, 1, 0] * 50, [40] * 200)
    assert error_rate_interval([0, 0], [10, 10]) == (0.0, 0.0)


def test_correlated_errors_widen_the_interval() -> None:
    spread = error_rate_interval([1] * 20 + [0] * 20, [10] * 40)
    together = error_rate_interval([10] * 2 + [0] * 38, [10] * 40)
    assert together[1] - together[0] > spread[1] - spread[0]
