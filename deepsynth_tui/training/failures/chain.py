"""The chain of causes of an exception, and its message."""

from __future__ import annotations

from collections.abc import Iterator

from deepsynth_tui.errors import UserError
from deepsynth_tui.training.failures.pickles import (
    describe_refused_pickle,
    is_refused_pickle,
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its cause or context, the cause of that, and so on."""
    visited: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in visited:
        visited.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def message_of(error: BaseException) -> str:
    """Return the message without advice, or the name of the class if it is empty."""
    message = error.message if isinstance(error, UserError) else str(error)
    if is_refused_pickle(message):
        return describe_refused_pickle(message)
    return message or type(error).__name__
