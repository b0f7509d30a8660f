"""The base of every error that is the user's to act on."""

from __future__ import annotations


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
