"""Generated texts: reproducible, no wider than a page, with separate words for evaluation."""

from __future__ import annotations

import random
import re

import pytest

from deepsynth_tui.builtin.recipe.stages import stages
from deepsynth_tui.builtin.recipe.texts import documents, line_width
from deepsynth_tui.builtin.recipe.words import COMMON_WORDS, is_held_out, number_words, random_word

COUNT = 1500


def generate(*, held_out: bool, seed: int = 3) -> list[str]:
    return list(documents(seed, COUNT, lines=6, held_out=held_out))


def test_a_seed_gives_the_same_texts() -> None:
    assert generate(held_out=False) == generate(held_out=False)
    assert generate(held_out=False) != generate(held_out=False, seed=4)


def test_texts_have_all_numbers_of_lines_and_none_is_too_wide() -> None:
    texts = generate(held_out=False)
    assert {text.count("\n") + 1 for text in texts} == {1, 2, 3, 4, 5, 6}
    assert max(line_width(line) for text in texts for line in text.split("\n")) <= 24
    assert max(map(len, texts)) > 110


@pytest.mark.parametrize("held_out", [True, False])
def test_made_up_words_are_held_out_or_not(held_out: bool) -> None:
    rng = random.Random(0)
    words = [random_word(rng, held_out=held_out) for _ in range(2000)]
    assert {is_held_out(word) for word in words} == {held_out}
    assert len(set(words)) > 1000


def test_training_and_evaluation_share_no_made_up_words() -> None:
    # Long words only: groups of random characters are shorter.
    common = {*COMMON_WORDS, *number_words()}
    training, evaluation = (
        {
            word
            for text in generate(held_out=held_out)
            for word in re.findall(r"(?<!\w)[a-z]{9,}(?!\w)", text)
        }
        - common
        for held_out in (False, True)
    )
    assert len(training) > 100
    assert len(evaluation) > 100
    assert not training & evaluation


def test_every_kind_of_character_occurs() -> None:
    text = "".join(generate(held_out=False))
    assert not {*map(chr, range(32, 127))} - {*"^`\\"} - {*text}
    assert {*"€£§°äéß"} <= {*text}
    assert re.search(r"\d{4}-\d\d-\d\d", text)
    assert re.search(r"\d,\d{3}\.\d\d", text)


def test_the_last_stage_has_full_pages() -> None:
    all_stages = list(stages())
    last = all_stages[-1]
    assert (last.width, last.height, last.lines) == (256, 128, 6)
    assert len({stage.name for stage in all_stages}) == len(all_stages)
    # At least 80 characters at every font size.
    assert all(last.line_width(size) * last.max_lines(size) >= 80 for size in last.sizes)
