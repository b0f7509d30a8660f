"""Read documents that are files of their own: text, Markdown, HTML, PDF, Word and EPUB."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from deepsynth_tui.config.dataset import SourceSettings
from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.decode_text import decode_text
from deepsynth_tui.dataset.reading.docx_text import NOT_READ_OF_DOCX, docx_to_text
from deepsynth_tui.dataset.reading.epub_text import epub_to_text
from deepsynth_tui.dataset.reading.html_text import html_to_text
from deepsynth_tui.dataset.reading.open_file import content_suffix, open_binary
from deepsynth_tui.dataset.reading.pdf_text import pdf_to_text
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow, Unreadable


def _read_plain_text(file: BinaryIO, encoding: str | None) -> str:
    return decode_text(file.read(), encoding)


def _read_html(file: BinaryIO, encoding: str | None) -> str:
    return html_to_text(file.read(), encoding)


def _read_pdf(file: BinaryIO, encoding: str | None) -> str:
    return pdf_to_text(file)


def _read_docx(file: BinaryIO, encoding: str | None) -> str:
    return docx_to_text(file)


def _read_epub(file: BinaryIO, encoding: str | None) -> str:
    return epub_to_text(file)


TEXT_EXTRACTORS: Mapping[str, Callable[[BinaryIO, str | None], str]] = {
    ".txt": _read_plain_text,
    ".md": _read_plain_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": _read_pdf,
    ".docx": _read_docx,
    ".epub": _read_epub,
}
"""File name suffix -> function that returns the text of such a file, given `source.encoding`."""


class FolderReader(SourceReader):
    """Reads files of the types in `TEXT_EXTRACTORS`, each of them one document."""

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
        self._encoding = settings.encoding
        self._alone = alone
        counts = Counter(content_suffix(file) for file in files)
        types = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
        self.contents = (f"documents: {types}",)
        if ".docx" in counts:
            self.contents += (f".docx: without {NOT_READ_OF_DOCX}",)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield one row per file."""
        for file in self._files:
            location = file.relative_to(self._base).as_posix()
            try:
                text = _read(file, self._encoding)
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


def _read(path: Path, encoding: str | None) -> str:
    """Return the text of a file. Raises `UnreadableDocument`."""
    try:
        with open_binary(path) as file:
            # PDF and ZIP files are read from their ends.
            seekable = file if file.seekable() else io.BytesIO(file.read())
            return TEXT_EXTRACTORS[content_suffix(path)](seekable, encoding)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableDocument(
            f"a file that cannot be opened ({reason})",
            "Check its permissions, and its target if it is a link.",
        ) from error
