"""Changes of a figure since the last estimate, as text. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.content import Content

Number = TypeVar("Number", int, float)


def format_delta(
    value: Number, previous: Number | None, format_value: Callable[[Number], str]
) -> Content:
    """Return the change from `previous` to `value`, such as `+1.2 GiB` or `-4 MiB`.

    Empty if the value did not change or has no previous one.
    """
    if previous is None or value == previous:
        return Content("")
    if value > previous:
        text = f"+{format_value(value - previous)}"
    else:
        text = f"-{format_value(previous - value)}"
    return Content.styled(text.replace("< ", "<"), "$text-accent")
