"""What can be wrong with a configuration, as values: collected, never raised one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a job from starting.

    `key` is dotted (`lora.r`), or empty where the whole file is meant; `line` counts from 1, 0
    where the value came from no file.
    """

    key: str
    message: str
    hint: str = ""
    file: str = ""
    line: int = 0

    def to_json(self) -> dict[str, str]:
        """Return what another process needs to show it."""
        return {"key": self.key, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        parts = [part for part in (where, self.key, self.message) if part]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was understood, but that the person should know: an old name, a default."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class ConfigError(Exception):
    """A configuration with problems. `problems` holds every one of them, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
