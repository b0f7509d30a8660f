"""ROUGE-L and character error rate, against values that others publish."""

from __future__ import annotations

import pytest

from deepsynth_tui.training.answers.scoring import character_error_rate, rouge_l


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
