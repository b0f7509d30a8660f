"""An exception, and those behind it."""

from __future__ import annotations

from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then what caused it, then what caused that."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def said(error: BaseException) -> str:
    """Its message, or its class where it has none."""
    return str(error) or type(error).__name__
