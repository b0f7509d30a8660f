"""Unicode scripts by name: the property `Script` of UAX #24."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import cache
from typing import Any


@cache
def is_script(name: str) -> bool:
    """Return whether Unicode has a script with that name (any case) or four-letter code."""
    # Imported on first use, since no other setting needs it.
    import regex

    try:
        _pattern(name)
    except regex.error:
        return False
    return True


def share(text: str, names: Collection[str]) -> float:
    """Return the fraction of the letters of `text` that belong to the scripts `names`, 0 to 1.

    Letters that several scripts share do not count. A text without letters belongs to every script.
    """
    letters = matches = 0
    for character, count in Counter(text).items():
        if _has_a_script(character):
            letters += count
            matches += count * _is_of(character, frozenset(names))
    return matches / letters if letters else 1.0


@cache
def _has_a_script(character: str) -> bool:
    return character.isalpha() and not (
        _pattern("Common").match(character) or _pattern("Inherited").match(character)
    )


@cache
def _is_of(character: str, names: frozenset[str]) -> bool:
    return any(_pattern(name).match(character) for name in names)


@cache
def _pattern(name: str) -> Any:
    """Return a pattern for one character. Raises `regex.error` if there is no such script."""
    import regex

    return regex.compile(rf"\p{{Script={name}}}" if name.isascii() and name.isidentifier() else "[")
