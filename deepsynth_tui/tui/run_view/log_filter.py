"""Which lines of a log are shown: those with a text, or those that report a problem. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How serious a line is, by its words: a console has no other sign of it."""

    ANY = 0
    WARNING = 1
    ERROR = 2


LEVEL_NAMES = {Level.ANY: "all lines", Level.WARNING: "warnings and errors", Level.ERROR: "errors"}

_ERROR = re.compile(
    r"^[\w.]*(?:Error|Exception)\b|\b(?:ERROR|CRITICAL|FATAL)\b|^\s*(?i:error|fatal)\b"
    r"|Fatal Python error|(?i:out of memory)"
)
_WARNING = re.compile(r"\bwarn(?:ing)?\b|\w+Warning\b|\bdeprecated\b", re.IGNORECASE)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
_WORDS = (
    "error",
    "exception",
    "critical",
    "fatal",
    "out of memory",
    "warn",
    "deprecated",
    "traceback",
)
"""A line that matches a pattern has one of these, in any case. Searching them is cheaper by far."""


def _may_match(text: str) -> bool:
    text = text.lower()
    return any(word in text for word in _WORDS)


class LevelReader:
    """Returns the levels of consecutive lines: the lines of a traceback have that of an error."""

    def __init__(self) -> None:
        self._in_traceback = False

    def levels(self, lines: Sequence[str]) -> list[Level]:
        """Return the levels of the next lines."""
        if not self._in_traceback and not _may_match("\n".join(lines)):
            return [Level.ANY] * len(lines)
        return [self._level(line) for line in lines]

    def _level(self, line: str) -> Level:
        if self._in_traceback:
            self._in_traceback = line.startswith(" ") or not line.strip()
            return Level.ERROR
        if not _may_match(line):
            return Level.ANY
        if _TRACEBACK.search(line):
            self._in_traceback = True
            return Level.ERROR
        if _ERROR.search(line):
            return Level.ERROR
        return Level.WARNING if _WARNING.search(line) else Level.ANY


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Shows lines of at least a level that contain a text, in any case of its letters."""

    text: str = ""
    level: Level = Level.ANY

    def __bool__(self) -> bool:
        return bool(self.text) or self.level is not Level.ANY

    def matcher(self) -> Callable[[str, Level], bool]:
        """Return a function that says whether a line of a level is shown."""
        text, level = self.text.casefold(), self.level
        return lambda line, line_level: line_level >= level and text in line.casefold()

    def __str__(self) -> str:
        parts = [f"/{self.text}"] if self.text else []
        if self.level is not Level.ANY:
            parts.append(LEVEL_NAMES[self.level])
        return ", ".join(parts)
