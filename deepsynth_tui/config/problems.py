"""Problems with a configuration as values, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.config.access_tokens import hide_tokens
from deepsynth_tui.errors import UserError


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a job cannot start.

    `key` is dotted (`lora.r`), or empty if the problem concerns the whole file. `line` counts from
    1; it is 0 if the value is not from a file. Access tokens in a text are not repeated.
    """

    key: str
    message: str
    hint: str = ""
    file: str = ""
    line: int = 0

    def __post_init__(self) -> None:
        for name in ("key", "message", "hint"):
            object.__setattr__(self, name, hide_tokens(getattr(self, name)))

    def to_json(self) -> dict[str, str]:
        """Return what another process needs to display the problem."""
        return {"key": self.key, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        location = f"{self.file}:{self.line}" if self.line else self.file
        parts = [part for part in (location, self.key, self.message) if part]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know that is not a problem: a former name, a default."""

    key: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", hide_tokens(self.message))

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class ConfigError(UserError):
    """A configuration with problems. `problems` contains all of them, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
