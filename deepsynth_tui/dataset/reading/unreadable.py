"""A document that cannot be read, though its neighbours can."""

from __future__ import annotations


class Unreadable(Exception):
    """`reason` is why, the same for all documents with that fault; `advice` what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice
