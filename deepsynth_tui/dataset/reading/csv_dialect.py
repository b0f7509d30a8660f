"""Guess the delimiter of a CSV file, and whether its first row names the columns."""

from __future__ import annotations

import csv
import re
import statistics
from collections.abc import Sequence
from typing import Any

from deepsynth_tui.dataset.reading.guess_columns import ANSWER_NAMES, QUESTION_NAMES, TARGET_NAMES
from deepsynth_tui.dataset.reading.named_columns import ID_NAME, TEXT_NAMES

DELIMITERS = ",;\t|"
SAMPLED_ROWS = 50
DELIMITER_NAMES = {"\t": "tab", " ": "space"}
KNOWN_NAMES = frozenset((ID_NAME, *TEXT_NAMES, *QUESTION_NAMES, *ANSWER_NAMES, *TARGET_NAMES))
# Longer cells, or cells that end a sentence, are hardly names of columns.
MAX_NAME_CHARACTERS = 60
MAX_NAME_WORDS = 2
SENTENCE_END = re.compile(r"""[.!?。！？…]["'”’)]?\s*\Z""")
QUESTION_MARKS = ("?", "？", "؟")
NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d+)*|\.\d+)([eE][-+]?\d+)?%?\s*\Z")


def delimiter_name(delimiter: str) -> str:
    """Return the delimiter for a sentence."""
    return DELIMITER_NAMES.get(delimiter, repr(delimiter))


def quoting(quotechar: str | None) -> dict[str, Any]:
    """Return the arguments of `csv.reader` for `source.quotechar`."""
    return (
        {"quotechar": None, "quoting": csv.QUOTE_NONE}
        if quotechar == ""
        else {"quotechar": quotechar or '"'}
    )


def guess_delimiter(lines: Sequence[str], quotechar: str | None) -> str:
    """Return the delimiter that divides most of the first rows into as many fields as the first.

    Of several, the one with most fields. A comma if none divides them.
    """
    best = max(DELIMITERS, key=lambda delimiter: _evenness(lines, delimiter, quotechar))
    return best if _evenness(lines, best, quotechar) > (0.0, 1) else ","


def guess_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first of `rows` names the columns.

    It does not if a cell of it is a number, or a text of several words that is as long as those
    below it.
    """
    first, others = rows[0], rows[1:]
    columns = [(cell.strip(), _column(others, index)) for index, cell in enumerate(first)]
    if any(cell.casefold() in KNOWN_NAMES and cell not in below for cell, below in columns):
        return True
    if len(first) > 1 and [cell for cell, _ in columns] == [str(n) for n in range(len(first))]:
        # What pandas writes for columns without names.
        return True
    return not any(_is_content(cell, below) for cell, below in columns)


def _evenness(lines: Sequence[str], delimiter: str, quotechar: str | None) -> tuple[float, int]:
    """Return the fraction of rows with as many fields as the first, and that number."""
    lengths = []
    rows = csv.reader(lines, delimiter=delimiter, **quoting(quotechar))
    try:
        lengths = [len(row) for row in rows if row]
    except csv.Error:
        return 0.0, 0
    if not lengths or lengths[0] < 2:
        return 0.0, 1
    return lengths.count(lengths[0]) / len(lengths), lengths[0]


def _is_content(cell: str, below: Sequence[str]) -> bool:
    """Return whether a cell of the first row is a value as those below it are."""
    if NUMBER.match(cell) or "\n" in cell:
        return True
    if not _is_prose(cell):
        return False
    if cell.endswith(QUESTION_MARKS) and not any(text.endswith(QUESTION_MARKS) for text in below):
        # The columns of a questionnaire are its questions.
        return False
    return not below or (
        any(map(_is_prose, below)) and len(cell) >= statistics.median(map(len, below)) / 2
    )


def _is_prose(text: str) -> bool:
    return (
        len(text) > MAX_NAME_CHARACTERS
        or len(text.split()) > MAX_NAME_WORDS
        or SENTENCE_END.search(text) is not None
    )


def _column(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    return [row[index].strip() for row in rows if index < len(row)]
