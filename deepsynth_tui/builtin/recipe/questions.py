"""Questions about a page: read all of it, or find something on it.

A model that was only ever asked to read learns to ignore the question. In the demo, LoRA taught a
new question to models that had trained on whole pages for 600 and 1,000 steps (85 % of the answers
correct), but hardly to one that had trained for 1,600 steps (2 %). The question of the demo itself
is not in the training data, though what follows the word "Total" may be asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

READ = "Read."
READ_PARAPHRASES = (
    "Read the page.",
    "Read this.",
    "Read it all.",
    "Transcribe.",
    "Transcribe the page.",
    "What does it say?",
    "What is on this page?",
    "What is written here?",
    "Write down the text.",
)


class Question(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def question_about(rng: random.Random, text: str, *, fraction: float) -> Question:
    """Return a question about the page that shows `text`.

    A `fraction` of the questions is about a part of the page, if there is such a part. The others
    ask for the whole page; half of them are paraphrased unless `fraction` is 0.
    """
    if rng.random() < fraction:
        question_types = list(QUESTION_TYPES)
        rng.shuffle(question_types)
        lines = text.split("\n")
        for question_type in question_types:
            if questions := list(question_type(lines)):
                return rng.choice(questions)
    if fraction and rng.random() < 0.5:
        return Question(rng.choice(READ_PARAPHRASES), text)
    return Question(READ, text)


def _line(lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        yield Question(f"Read line {number}.", line)


def _first_or_last_line(lines: list[str]) -> Iterator[Question]:
    if len(lines) > 1:
        yield Question("Read the first line.", lines[0])
        yield Question("Read the last line.", lines[-1])


def _from_line_on(lines: list[str]) -> Iterator[Question]:
    for number in range(2, len(lines)):
        yield Question(f"Read from line {number} on.", "\n".join(lines[number - 1 :]))


def _line_by_first_word(lines: list[str]) -> Iterator[Question]:
    words = [line.split()[0] for line in lines]
    for word, line in zip(words, lines, strict=True):
        if words.count(word) == 1:
            yield Question(f"Read the line with {word}", line)


def _text_after_word(lines: list[str]) -> Iterator[Question]:
    page_words = [word for line in lines for word in line.split()]
    for line in lines:
        words = line.split()
        for number, word in enumerate(words[:-1], start=1):
            if page_words.count(word) == 1:
                yield Question(f"Read what follows {word}", " ".join(words[number:]))


def _digits_of_line(lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        if digits := "".join(filter(str.isdecimal, line)):
            yield Question(f"Read the digits of line {number}.", digits)


def _lines_with_digits(lines: list[str]) -> Iterator[Question]:
    matches = [line for line in lines if any(map(str.isdecimal, line))]
    if 0 < len(matches) < len(lines):
        yield Question("Read the lines with digits.", "\n".join(matches))


def _longest_number(lines: list[str]) -> Iterator[Question]:
    numbers = "".join(c if c.isdecimal() else " " for c in "\n".join(lines)).split()
    longest = max(map(len, numbers), default=0)
    if [len(number) for number in numbers].count(longest) == 1:
        yield Question("Read the number with most digits.", max(numbers, key=len))


def _first_words(lines: list[str]) -> Iterator[Question]:
    if len(lines) > 1:
        words = [line.split()[0] for line in lines]
        yield Question("Read the first word of each line.", "\n".join(words))


def _last_words(lines: list[str]) -> Iterator[Question]:
    words = [line.split()[-1] for line in lines]
    if len(lines) > 1:
        yield Question("Read the last word of each line.", "\n".join(words))


def _line_in_capitals(lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        if line.upper() != line:
            yield Question(f"Read line {number} in capitals.", line.upper())


QUESTION_TYPES: tuple[Callable[[list[str]], Iterator[Question]], ...] = (
    _line,
    _first_or_last_line,
    _from_line_on,
    _line_by_first_word,
    _text_after_word,
    _digits_of_line,
    _lines_with_digits,
    _longest_number,
    _first_words,
    _last_words,
    _line_in_capitals,
)
