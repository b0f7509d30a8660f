"""A rule between fields: one fault that no field can detect alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """A check of a configuration whose fields are each valid on their own.

    Attributes:
        keys: Dotted keys that the rule depends on. The problem is reported at the first of them.
        is_broken: Returns a true value if the configuration breaks the rule.
        message: What is wrong. `{}` in it stands for the value that `is_broken` returns.
        hint: What to change.
        blocks_start_only: The rule prevents a start, but not an estimate, and not that a run goes
            on which started before there was the rule.
    """

    keys: tuple[str, ...]
    is_broken: Callable[[Any], object]
    message: str
    hint: str
    blocks_start_only: bool = False


def is_file_name(name: str) -> bool:
    """Whether `name` can name a run: printable, without slashes, and more than dots."""
    return bool(name.strip(". ")) and name.isprintable() and "/" not in name and "\\" not in name


def is_pattern(text: str) -> bool:
    """Whether `text` compiles as a regular expression. Plain module names do."""
    try:
        re.compile(text)
    except re.error:
        return False
    return True
