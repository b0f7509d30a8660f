"""Read documents in a process of their own, with a limit on its time and memory."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading import document_server
from deepsynth_tui.limited_process import LimitedProcess, LimitExceeded


class DocumentProcess(AbstractContextManager["DocumentProcess"]):
    """Extracts the text of documents; the process starts with the first of them.

    `max_seconds` are of processor time, `max_memory` is in GiB.
    """

    def __init__(self, *, max_seconds: float, max_memory: float) -> None:
        self._max_seconds = max_seconds
        self._max_memory = max_memory
        self._process = LimitedProcess(
            document_server.__name__, max_seconds=max_seconds, max_memory=max_memory
        )

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self._process.__exit__(*error)

    def extract_text(self, path: Path, encoding: str | None) -> str:
        """Return the text of a file.

        Raises:
            UnreadableDocument: it cannot be opened, is damaged, encrypted or without text, or takes
                more than the limits allow.
        """
        try:
            answer = self._process.ask({"path": str(path), "encoding": encoding})
        except LimitExceeded as error:
            raise self._unreadable(error) from error
        if "text" in answer:
            return answer["text"]
        raise UnreadableDocument(*answer["unreadable"])

    def _unreadable(self, error: LimitExceeded) -> UnreadableDocument:
        if error.limit == "time":
            return UnreadableDocument(
                f"a document that takes more than {self._max_seconds:g} seconds to read",
                "Raise source.max_document_seconds, or split the document.",
            )
        if error.limit == "memory":
            return UnreadableDocument(
                f"a document that takes more than {self._max_memory:g} GiB of memory to read",
                "Raise source.max_document_memory, or split the document.",
            )
        return UnreadableDocument(
            "a document that its parser crashes on", "Convert it, or repair it.", error.detail
        )
