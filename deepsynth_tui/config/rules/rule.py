"""The form of a rule between fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault that a valid-looking configuration can have.

    `broken` returns something true where it has; `{}` in the message stands for that. `reads` are
    the dotted keys it depends on; the problem is shown at the first of them. A rule `of_starting`
    keeps a run from starting, but not from being estimated.
    """

    reads: tuple[str, ...]
    broken: Callable[[Any], object]
    message: str
    hint: str
    of_starting: bool = False
