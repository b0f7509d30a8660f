"""The base of every error that is the user's to act on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class UserError(Exception):
    """An error that is shown without a traceback.

    Args:
        message: What happened and to which input; a sentence, with or without its full stop.
        advice: What to do next.
        key: Dotted configuration key that causes the error, empty where there is none.
    """

    def __init__(self, message: str, advice: str = "", key: str = "") -> None:
        super().__init__(message, advice, key)  # all three: a pickled exception is its arguments
        self.message = message
        self.advice = advice
        self.key = key

    def __str__(self) -> str:
        return f"{self.message.removesuffix('.')}. {self.advice}" if self.advice else self.message


def note_arguments(error: UserError) -> None:
    """Add the arguments of an exception as a note: the last line of its traceback, JSON.

    An exception that a DataLoader worker raises needs it: torch raises `type(error)(text)` in the
    main process, where `text` is the traceback and all that is left of the exception. In any other
    process the traceback is for people, and has no note.
    """
    from multiprocessing import parent_process  # 19 ms, not at start-up

    if parent_process() is not None:
        error.add_note(json.dumps(error.args))


def noted_arguments(text: str) -> Sequence[Any]:
    """Return the arguments in the last line of a traceback, or `text` itself if there are none."""
    try:
        arguments = json.loads(text.rstrip().rpartition("\n")[2])
    except ValueError:
        return [text]
    return arguments if isinstance(arguments, list) else [text]
