"""Instructions that contain columns of a row: `Summarize in {language}:`, `{{` for a brace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]|[^{}]+")


class TemplateError(ValueError):
    """An unmatched or empty brace."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template as parts `(text, is_column)` in order."""

    parts: tuple[tuple[str, bool], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it contains, without duplicates."""
        return tuple(dict.fromkeys(part for part, is_column in self.parts if is_column))

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the text with the values of the columns inserted."""
        return "".join(values[part] if is_column else part for part, is_column in self.parts)


@cache
def parse_template(text: str) -> Template:
    """Parse a template. Raises `TemplateError` for an unmatched or empty brace."""
    parts: list[tuple[str, bool]] = []
    for match in _PART.finditer(text):
        part, column = match.group(), match.group(1)
        if column is not None and column.strip():
            parts.append((column.strip(), True))
        elif part in ("{{", "}}"):
            parts.append((part[0], False))
        elif "{" in part or "}" in part:
            raise TemplateError(f"{part!r} at character {match.start() + 1} of {text!r}")
        else:
            parts.append((part, False))
    return Template(tuple(parts))
