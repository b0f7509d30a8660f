"""Read documents that are files of their own: text, Markdown, HTML, PDF, Word and EPUB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.document_process import DocumentProcess
from deepsynth_tui.dataset.reading.docx_text import NOT_READ_OF_DOCX
from deepsynth_tui.dataset.reading.extract_text import extract_text
from deepsynth_tui.dataset.reading.open_file import content_suffix
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow, Unreadable

PLAIN_SUFFIXES = (".txt", ".md")
PLAIN_BYTES = 8 << 20
"""A plain text up to this size takes neither time nor memory to read."""


class FolderReader(SourceReader):
    """Reads files of the types in `extract_text.TEXT_EXTRACTORS`, each of them one document."""

    def __init__(
        self, files: Sequence[Path], base: Path, settings: SourceSettings, *, alone: bool = False
    ) -> None:
        """Read `files`, in this order.

        Args:
            files: The files.
            base: The folder that their names are relative to.
            settings: The settings of the source.
            alone: The source is this one file: raise `SourceError` if it cannot be read.
        """
        self.columns = (TEXT,)
        self.kinds = {TEXT: TEXT}
        self._files = files
        self._base = base
        self._settings = settings
        self._alone = alone
        counts = Counter(content_suffix(file) for file in files)
        types = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
        self.contents = (f"documents: {types}",)
        if ".docx" in counts:
            self.contents += (f".docx: without {NOT_READ_OF_DOCX}",)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield one row per file."""
        settings = self._settings
        with DocumentProcess(
            max_seconds=settings.max_document_seconds, max_memory=settings.max_document_memory
        ) as process:
            for file in self._files:
                location = file.relative_to(self._base).as_posix()
                try:
                    text = _read(file, settings.encoding, process)
                except UnreadableDocument as error:
                    if self._alone:
                        raise SourceError(
                            f"{file}: {error.message}", error.advice, "source.path"
                        ) from error
                    yield SourceRow(location, {}, Unreadable.from_error(error))
                else:
                    yield SourceRow(location, {TEXT: text})

    def count(self) -> int:
        """Return the number of files."""
        return len(self._files)


def read_document(path: Path, settings: SourceSettings) -> FolderReader:
    """Return a reader of a single document."""
    return FolderReader([path], path.parent, settings, alone=True)


def _read(path: Path, encoding: str | None, process: DocumentProcess) -> str:
    """Return the text of a file. Raises `UnreadableDocument`."""
    is_small = path.suffix.lower() in PLAIN_SUFFIXES and _size(path) <= PLAIN_BYTES
    return extract_text(path, encoding) if is_small else process.extract_text(path, encoding)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # reported when the file is opened
        return 0
