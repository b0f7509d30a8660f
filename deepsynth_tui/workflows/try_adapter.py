"""Ask adapters and their base models about pages, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.child_session import Session

# Named, not imported: it belongs to the process that loads models.
SERVER = "deepsynth_tui.adapters.try_server"
NEW_TOKENS = 256
"""Tokens that an answer has at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """A page: an image or document in `file`, or a `text` to draw.

    `instruction` is by default that of the run that trained each adapter. `columns` is the width
    of the page in characters.
    """

    file: str
    text: str
    instruction: str | None
    columns: int


class TryOut:
    """A process that holds the models of adapters. Methods may be called in any thread."""

    def __init__(self, home: Path, adapters: Sequence[str]) -> None:
        """`adapters` are folders, runs or Hub ids."""
        self._home, self._adapters = str(home), list(adapters)
        self._session = Session(SERVER, subject="The process with the models")

    def ask(self, question: Question, on_part: Callable[[Any], None]) -> list[dict[str, Any]]:
        """Return `name`, `answer`, `is_cut` and `is_stopped` of each answer. Blocks.

        `on_part` gets, each as an object: `pages` as lines of braille with a `remark`; `loading`
        with the name of a base model; `name` with the `text` so far; `done` with an answer.

        Raises:
            SessionClosed: `close` was called.
            ChildError: an adapter or the page cannot be used.
        """
        return self._session.ask(
            {
                "home": self._home,
                "adapters": self._adapters,
                "file": question.file,
                "text": question.text,
                "instruction": question.instruction,
                "columns": question.columns,
                "new_tokens": NEW_TOKENS,
            },
            on_part,
        )

    def stop(self) -> None:
        """End the answers early; the models stay loaded."""
        self._session.cancel()

    def close(self) -> None:
        """End the process."""
        self._session.close()
