"""Texts to read: the same for a seed, no wider than a page, and no word of an exam in a lesson."""

from __future__ import annotations

import random
import re

import pytest

from deepsynth_tui.builtin.recipe.stages import stages
from deepsynth_tui.builtin.recipe.texts import documents, measure
from deepsynth_tui.builtin.recipe.words import COMMON, is_held_out, made_up, number_words

COUNT = 1500


def written(*, held_out: bool, seed: int = 3) -> list[str]:
    return list(documents(seed, COUNT, lines=6, held_out=held_out))


def test_a_seed_gives_the_same_texts() -> None:
    assert written(held_out=False) == written(held_out=False)
    assert written(held_out=False) != written(held_out=False, seed=4)


def test_texts_have_all_numbers_of_lines_and_none_is_too_wide() -> None:
    texts = written(held_out=False)
    assert {text.count("\n") + 1 for text in texts} == {1, 2, 3, 4, 5, 6}
    assert max(measure(line) for text in texts for line in text.split("\n")) <= 24
    assert max(map(len, texts)) > 110


@pytest.mark.parametrize("held_out", [True, False])
def test_made_up_words_are_on_one_side(held_out: bool) -> None:
    rng = random.Random(0)
    words = [made_up(rng, held_out=held_out) for _ in range(2000)]
    assert {is_held_out(word) for word in words} == {held_out}
    assert len(set(words)) > 1000


def test_no_word_of_an_exam_is_in_a_lesson() -> None:
    # Groups of random characters are shorter, and parts of words are no words.
    known = {*COMMON, *number_words()}
    lesson, exam = (
        {
            word
            for text in written(held_out=side)
            for word in re.findall(r"(?<!\w)[a-z]{9,}(?!\w)", text)
        }
        - known
        for side in (False, True)
    )
    assert len(lesson) > 100
    assert len(exam) > 100
    assert not lesson & exam


def test_every_kind_of_character_is_there() -> None:
    text = "".join(written(held_out=False))
    assert not {*map(chr, range(32, 127))} - {*"^`\\"} - {*text}
    assert {*"€£§°äéß"} <= {*text}
    assert re.search(r"\d{4}-\d\d-\d\d", text)
    assert re.search(r"\d,\d{3}\.\d\d", text)


def test_the_course_ends_with_full_pages() -> None:
    course = list(stages())
    last = course[-1]
    assert (last.width, last.height, last.lines) == (256, 128, 6)
    assert len({stage.name for stage in course}) == len(course)
    # The wheel's page holds at least 80 characters at every size.
    assert all(
        course[-1].letters(size) * course[-1].lines_at(size) >= 80 for size in course[-1].sizes
    )
