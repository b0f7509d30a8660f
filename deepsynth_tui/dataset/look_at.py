"""Look at the documents of a source before a run, as far as the time allows."""

from __future__ import annotations

import time
from dataclasses import dataclass

from deepsynth_tui.dataset.clean_text import is_blank
from deepsynth_tui.dataset.errors import DatasetError
from deepsynth_tui.dataset.reading.mixture import Mixture
from deepsynth_tui.dataset.reading.sources import NO_VALUE, Document, Source

SECONDS = 2.0
MIN_DOCUMENTS = 100
"""As many are looked at until one has text, however long that takes."""


@dataclass(slots=True)
class LookedAt:
    """The documents that were looked at.

    Attributes:
        documents: How many, `empty` and `bad` ones included.
        empty: Documents without text, or without an answer.
        bad: Documents that cannot be read.
        is_all: Whether the source has no others.
        first: The first with text.
        first_bad, first_empty: The first of those.
        failure: Why no more can be read.
    """

    documents: int = 0
    empty: int = 0
    bad: int = 0
    is_all: bool = False
    first: Document | None = None
    first_bad: Document | None = None
    first_empty: Document | None = None
    failure: DatasetError | None = None

    def add(self, document: Document) -> None:
        """Count a document."""
        self.documents += 1
        unreadable = document.unreadable
        if unreadable is not None and not unreadable.reason.startswith(NO_VALUE):
            self.bad += 1
            self.first_bad = self.first_bad or document
        elif unreadable is not None or is_blank(document.text):
            self._add_empty(document)
        else:
            self.first = self.first or document
            if document.target is not None and is_blank(document.target):
                self._add_empty(document)

    def _add_empty(self, document: Document) -> None:
        self.empty += 1
        self.first_empty = self.first_empty or document

    def to_json(self) -> dict[str, int | bool]:
        """Return the numbers."""
        return {
            "documents": self.documents,
            "empty": self.empty,
            "bad": self.bad,
            "all": self.is_all,
        }


def look_at_documents(source: Source | Mixture, seconds: float = SECONDS) -> LookedAt:
    """Read documents until the end of `source` or for about `seconds`, and count them."""
    looked_at = LookedAt()
    deadline = time.monotonic() + seconds
    try:
        for document in source.documents():
            looked_at.add(document)
            is_enough = looked_at.first or looked_at.documents >= MIN_DOCUMENTS
            if is_enough and time.monotonic() > deadline:
                return looked_at
    except DatasetError as error:
        looked_at.failure = error
    else:
        looked_at.is_all = True
    return looked_at
