"""Split a text into parts of a limited length, at the best places there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.drawing.line_breaking import grapheme_clusters

LINE_END = "(?:\r\n|[\n\v\f\r\x85\u2028\u2029])"
# White space within a line.
SPACE = r"[^\S\n\r]"
# Full stops of all scripts, and of those that are written without white space after them.
STOPS = ".!?…。！？．؟۔।॥።։"
UNSPACED_STOPS = "。！？．"
CLOSING = r"""["'’”»›)\]」』）〉》]*"""
SENTENCE_END = f"(?<![{STOPS}])[{STOPS}]+{CLOSING}"
# Where a text is split, the best place first.
BREAKS = tuple(
    re.compile(pattern)
    for pattern in (
        f"{LINE_END}{SPACE}*{LINE_END}",  # a blank line
        f"{SENTENCE_END}{SPACE}*{LINE_END}",  # a line that ends with a sentence
        f"{SENTENCE_END}\\s|(?<![{UNSPACED_STOPS}])[{UNSPACED_STOPS}]+{CLOSING}",
        LINE_END,
        "\\s+",
    )
)
# Longest match of white space that is looked at behind a part: two line ends.
LOOKAHEAD = 4
BLANK_LINES = re.compile(f"(?:{SPACE}*{LINE_END})+")
# Blank lines, but not the indentation after them; else white space within a line.
SPLIT_SPACE = re.compile(f"{BLANK_LINES.pattern}|\\s+")


def trim(text: str) -> str:
    """Return `text` without blank lines at its start and white space at its end."""
    blank = BLANK_LINES.match(text)
    return text[blank.end() if blank else 0 :].rstrip()


def split_text(text: str, limit: int) -> Iterator[str]:
    """Yield parts of at most `limit` characters: whole paragraphs if they are not longer.

    A longer paragraph is split at the end of a sentence, else of a line, else of a word, else
    between characters. The white space at a split, and parts that would leave no ink, belong to no
    part; nothing else is left out.
    """
    blank = BLANK_LINES.match(text)
    start = blank.end() if blank else 0
    length = len(text.rstrip())
    while start < length:
        end = length if length - start <= limit else _best_end(text, start, limit)
        part = text[start:end].rstrip()
        if not is_blank(part):
            yield part
        space = SPLIT_SPACE.match(text, end)
        start = space.end() if space else end


def _best_end(text: str, start: int, limit: int) -> int:
    """Return where the part that begins at `start` ends."""
    for pattern in BREAKS:
        last = start
        for match in pattern.finditer(text, start, start + limit + LOOKAHEAD):
            end = match.start() + len(match[0].rstrip())
            if end > start + limit:
                break
            last = end
        if last > start:
            return last
    return start + _characters_that_fit(text[start : start + limit + LOOKAHEAD], limit)


def _characters_that_fit(text: str, limit: int) -> int:
    """Return the length of the first user-perceived characters that fit; if none does, `limit`."""
    length = 0
    for cluster in grapheme_clusters(text):
        if length + len(cluster) > limit:
            break
        length += len(cluster)
    return length or limit
