"""Answers from evaluation to evaluation, with the wrong characters marked."""

from __future__ import annotations

import pytest

from deepsynth_tui.runs.state import Sample
from deepsynth_tui.tui.run_view.answers import MAX_CHARACTERS, mark_wrong, sample_histories


@pytest.mark.parametrize(
    ("target", "output", "marked"),
    [
        ("97.12", "97.12", "97.12"),
        ("97.12", "91.12", "9[1].12"),
        ("97.12", "97.2", "97.[_]2"),
        ("97.12", "97.123", "97.12[3]"),
        ("97.12", "", "[_____]"),
        ("", "x", "[x]"),
        ("", "", ""),
    ],
)
def test_wrong_and_missing_characters_are_marked(target: str, output: str, marked: str) -> None:
    parts = mark_wrong(target, output)
    assert "".join(f"[{part.text}]" if part.is_wrong else part.text for part in parts) == marked


def test_samples_of_a_page_are_one_history_with_its_page() -> None:
    samples = [
        Sample("q", "97.12", "East Print", "before", None, page=("⠁",)),
        Sample("other", "1", "2", "before", None),
        Sample("q", "97.12", "97.2", "during", 20),
        Sample("q", "97.12", " 97.12\n", "after", None),
    ]
    first, second = sample_histories(samples)
    assert [answer.when for answer in first.answers] == ["before", "step 20", "after"]
    assert [answer.is_right for answer in first.answers] == [False, False, True]
    assert first.page == ("⠁",)
    assert second.target == "1"


def test_the_same_question_about_two_pages_makes_two_histories() -> None:
    samples = [Sample("q", target, "?", "before", None) for target in ("1", "2")]
    assert len(sample_histories(samples)) == 2


def test_long_and_hostile_texts_are_bounded_and_printable() -> None:
    long = Sample("q\x1b[2J", "x" * 10_000, "y" * 10_000, "after", None)
    (history,) = sample_histories([long])
    assert "\x1b" not in history.input
    assert len(history.target) == MAX_CHARACTERS + 1
