"""What is asked about a small paper: to read all of it, or to find something on it.

A model that is only ever told to read becomes deaf to what it is told: LoRA taught the demo's
question to readers of 600 and 1,000 steps of whole pages (85 % of the answers right), and to one of
1,600 steps next to nothing (2 %). That question is in no lesson, though what follows the word Total
may be asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

READ = "Read."
READ_IN_OTHER_WORDS = (
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
    """What is asked, and what the answer is."""

    question: str
    answer: str


def ask(rng: random.Random, text: str, *, share: float) -> Question:
    """Return a question about the page with the lines of `text`.

    With the chance `share` it is about a part of the page, where there is such a part to find; else
    it is to read all of it: in other words now and then, unless `share` is 0.
    """
    if rng.random() < share:
        kinds = list(KINDS)
        rng.shuffle(kinds)
        lines = text.split("\n")
        for kind in kinds:
            if found := list(kind(lines)):
                return rng.choice(found)
    if share and rng.random() < 0.5:
        return Question(rng.choice(READ_IN_OTHER_WORDS), text)
    return Question(READ, text)


def _a_line(lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        yield Question(f"Read line {number}.", line)


def _an_end(lines: list[str]) -> Iterator[Question]:
    if len(lines) > 1:
        yield Question("Read the first line.", lines[0])
        yield Question("Read the last line.", lines[-1])


def _a_rest(lines: list[str]) -> Iterator[Question]:
    for number in range(2, len(lines)):
        yield Question(f"Read from line {number} on.", "\n".join(lines[number - 1 :]))


def _a_line_by_its_first_word(lines: list[str]) -> Iterator[Question]:
    words = [line.split()[0] for line in lines]
    for word, line in zip(words, lines, strict=True):
        if words.count(word) == 1:
            yield Question(f"Read the line with {word}", line)


def _what_follows(lines: list[str]) -> Iterator[Question]:
    on_page = [word for line in lines for word in line.split()]
    for line in lines:
        words = line.split()
        for number, word in enumerate(words[:-1], start=1):
            if on_page.count(word) == 1:
                yield Question(f"Read what follows {word}", " ".join(words[number:]))


def _the_digits_of_a_line(lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        if digits := "".join(filter(str.isdecimal, line)):
            yield Question(f"Read the digits of line {number}.", digits)


def _lines_with_digits(lines: list[str]) -> Iterator[Question]:
    found = [line for line in lines if any(map(str.isdecimal, line))]
    if 0 < len(found) < len(lines):
        yield Question("Read the lines with digits.", "\n".join(found))


def _the_longest_number(lines: list[str]) -> Iterator[Question]:
    runs = "".join(c if c.isdecimal() else " " for c in "\n".join(lines)).split()
    longest = max(map(len, runs), default=0)
    if [len(run) for run in runs].count(longest) == 1:
        yield Question("Read the number with most digits.", max(runs, key=len))


def _first_words(lines: list[str]) -> Iterator[Question]:
    if len(lines) > 1:
        words = [line.split()[0] for line in lines]
        yield Question("Read the first word of each line.", "\n".join(words))


def _last_words(lines: list[str]) -> Iterator[Question]:
    words = [line.split()[-1] for line in lines]
    if len(lines) > 1:
        yield Question("Read the last word of each line.", "\n".join(words))


def _in_capitals(lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        if line.upper() != line:
            yield Question(f"Read line {number} in capitals.", line.upper())


KINDS: tuple[Callable[[list[str]], Iterator[Question]], ...] = (
    _a_line,
    _an_end,
    _a_rest,
    _a_line_by_its_first_word,
    _what_follows,
    _the_digits_of_a_line,
    _lines_with_digits,
    _the_longest_number,
    _first_words,
    _last_words,
    _in_capitals,
)
