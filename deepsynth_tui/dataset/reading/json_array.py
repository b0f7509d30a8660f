"""A JSON array read element by element, holding little more than one element."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

WHITE_SPACE = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder()
# Where a piece ends in the middle of `false` or `\u00e9`, the error is at most this far before it.
LONGEST_HALF = 16


class InvalidArray(ValueError):
    """`line`, from 1, is where the text stops being a JSON array."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


def elements(pieces: Iterator[str]) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) for each element of the array whose text comes in `pieces`.

    The array must be one of objects: of a number, two pieces might each be one. Raises
    `InvalidArray`.
    """
    text = _Text(pieces)
    text.expect("[")
    if text.peek() != "]":
        yield text.line, text.value()
        while text.peek() == ",":
            text.expect(",")
            text.peek()
            yield text.line, text.value()
    text.expect("]")
    if text.peek():
        raise InvalidArray(text.line, "something follows the end of the array")


class _Text:
    """What was read but not yet used is `held[at:]`, which begins in `line`."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self.pieces = pieces
        self.held = ""
        self.at = 0
        self.line = 1

    def peek(self) -> str:
        """Skip white space and return the next character, empty at the end."""
        while True:
            match = WHITE_SPACE.match(self.held, self.at)
            self.skip_to(match.end() if match else self.at)
            if self.at < len(self.held):
                return self.held[self.at]
            if not self.more():
                return ""

    def expect(self, character: str) -> None:
        """Skip `character`, which must come next."""
        found = self.peek()
        if found != character:
            instead = repr(found) if found else "the end of the file"
            raise InvalidArray(self.line, f"{character!r} is expected, not {instead}")
        self.skip_to(self.at + 1)

    def value(self) -> Any:
        """Return the value that comes next, reading on until it is whole."""
        while True:
            try:
                value, end = DECODER.raw_decode(self.held, self.at)
            except json.JSONDecodeError as error:
                half = error.pos > len(self.held) - LONGEST_HALF
                if (half or error.msg.startswith("Unterminated")) and self.more():
                    continue
                line = self.line + self.held.count("\n", self.at, error.pos)
                raise InvalidArray(line, error.msg) from error
            self.skip_to(end)
            return value

    def skip_to(self, end: int) -> None:
        self.line += self.held.count("\n", self.at, end)
        self.at = end

    def more(self) -> bool:
        """Hold one more piece; return whether there was one."""
        piece = next(self.pieces, None)
        if piece is None:
            return False
        self.held, self.at = self.held[self.at :] + piece, 0
        return True
