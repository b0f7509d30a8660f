"""Unicode scripts by name, as the property `Script` of UAX #24 has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import cache
from typing import Any


@cache
def is_script(name: str) -> bool:
    """Return whether Unicode has a script of that name, in any case, long or of four letters."""
    # Imported on first use: no other setting needs it.
    import regex

    try:
        _pattern(name)
    except regex.error:
        return False
    return True


def share(text: str, names: Collection[str]) -> float:
    """Return which part of the letters of `text` are of these scripts, from 0 to 1.

    Letters that several scripts share do not count; a text without letters is of every script.
    """
    letters = of_them = 0
    for character, times in Counter(text).items():
        if _has_a_script(character):
            letters += times
            of_them += times * _is_of(character, frozenset(names))
    return of_them / letters if letters else 1.0


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
    """Return the pattern of one character. Raises `regex.error` where no script is called so."""
    import regex

    return regex.compile(rf"\p{{Script={name}}}" if name.isascii() and name.isidentifier() else "[")
