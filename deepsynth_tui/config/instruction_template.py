"""Instructions with columns of a row in them: `Summarize in {language}:`, and `{{` for a brace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]|[^{}]+")


class TemplateError(ValueError):
    """A brace that opens or closes nothing."""


@dataclass(frozen=True, slots=True)
class Template:
    """Parts in their order: `(text, is_column)`."""

    parts: tuple[tuple[str, bool], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, each once."""
        return tuple(dict.fromkeys(part for part, is_column in self.parts if is_column))

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the text with the value of each column in its place."""
        return "".join(values[part] if is_column else part for part, is_column in self.parts)


@cache
def parse_template(text: str) -> Template:
    """Read a template. Raises `TemplateError` where a brace stands alone or holds no name."""
    parts: list[tuple[str, bool]] = []
    for found in _PART.finditer(text):
        part, column = found.group(), found.group(1)
        if column is not None and column.strip():
            parts.append((column.strip(), True))
        elif part in ("{{", "}}"):
            parts.append((part[0], False))
        elif "{" in part or "}" in part:
            raise TemplateError(f"{part!r} at character {found.start() + 1} of {text!r}")
        else:
            parts.append((part, False))
    return Template(tuple(parts))
