"""Questions about a page: each has one answer, found on the page."""

from __future__ import annotations

import random

import pytest

from deepsynth_tui.builtin.recipe.questions import (
    QUESTION_TYPES,
    READ,
    READ_PARAPHRASES,
    question_about,
)
from deepsynth_tui.builtin.recipe.texts import documents

PAGE = ["From: Pit", "Total 12,50 €", "Ref. A-7 Pit"]
ANSWERS = {
    "Read line 2.": "Total 12,50 €",
    "Read the first line.": "From: Pit",
    "Read the last line.": "Ref. A-7 Pit",
    "Read from line 2 on.": "Total 12,50 €\nRef. A-7 Pit",
    "Read the line with Ref.": "Ref. A-7 Pit",
    "Read what follows Total": "12,50 €",
    "Read the digits of line 2.": "1250",
    "Read the lines with digits.": "Total 12,50 €\nRef. A-7 Pit",
    "Read the first word of each line.": "From:\nTotal\nRef.",
    "Read the last word of each line.": "Pit\n€\nPit",
    "Read line 1 in capitals.": "FROM: PIT",
}


@pytest.mark.parametrize("question", ANSWERS)
def test_the_answers(question: str) -> None:
    answers = dict(pair for question_type in QUESTION_TYPES for pair in question_type(PAGE))
    assert answers[question] == ANSWERS[question]


def test_no_question_has_two_answers() -> None:
    for text in documents(1, 300, lines=6, held_out=False):
        answers: dict[str, str] = {}
        lines = text.split("\n")
        for question, answer in (pair for kind in QUESTION_TYPES for pair in kind(lines)):
            assert answers.setdefault(question, answer) == answer, (text, question)
            assert answer.strip()


def test_the_fractions_of_questions() -> None:
    rng = random.Random(2)
    texts = list(documents(2, 2000, lines=6, held_out=False))
    assert {question_about(rng, text, fraction=0).question for text in texts} == {READ}
    questions = [question_about(rng, text, fraction=0.5).question for text in texts]
    read = questions.count(READ)
    paraphrased = sum(question in READ_PARAPHRASES for question in questions)
    assert 400 < paraphrased < 600
    assert 900 < len(questions) - read - paraphrased < 1100
