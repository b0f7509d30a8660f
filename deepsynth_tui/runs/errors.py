"""What every refusal in this room looks like."""

from __future__ import annotations


class RunError(Exception):
    """Something asked of a run could not be done: `message` says what, `advice` what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}. {advice}")
        self.message = message
        self.advice = advice
