"""What the reader is asked: every answer stands on its page, and can be found by the question."""

from __future__ import annotations

import random

import pytest

from deepsynth_tui.builtin.recipe.questions import KINDS, READ, READ_IN_OTHER_WORDS, ask
from deepsynth_tui.builtin.recipe.texts import documents

PAGE = ["From: Pit", "Total 12,50 €", "Ref. A-7 Pit"]
WANTED = {
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


@pytest.mark.parametrize("question", WANTED)
def test_the_answers(question: str) -> None:
    asked = dict(one for kind in KINDS for one in kind(PAGE))
    assert asked[question] == WANTED[question]


def test_no_question_has_two_answers() -> None:
    for text in documents(1, 300, lines=6, held_out=False):
        answers: dict[str, str] = {}
        for question, answer in (one for kind in KINDS for one in kind(text.split("\n"))):
            assert answers.setdefault(question, answer) == answer, (text, question)
            assert answer.strip()


def test_a_page_is_asked_about_in_these_shares() -> None:
    rng = random.Random(2)
    texts = list(documents(2, 2000, lines=6, held_out=False))
    assert {ask(rng, text, share=0).question for text in texts} == {READ}
    asked = [ask(rng, text, share=0.5).question for text in texts]
    read = asked.count(READ)
    worded = sum(question in READ_IN_OTHER_WORDS for question in asked)
    assert 400 < worded < 600
    assert 900 < len(asked) - read - worded < 1100
