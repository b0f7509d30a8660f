"""Read documents that are files of their own: text, Markdown, HTML and PDF."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.decode_text import decode_text
from deepsynth_tui.dataset.reading.html_text import html_to_text
from deepsynth_tui.dataset.reading.pdf_text import pdf_to_text
from deepsynth_tui.dataset.reading.reader import TEXT, SourceRow, at_most


def _read_plain_text(path: Path) -> str:
    return decode_text(path.read_bytes(), path)


def _read_html(path: Path) -> str:
    return html_to_text(path.read_bytes())


TEXT_EXTRACTORS: Mapping[str, Callable[[Path], str]] = {
    ".txt": _read_plain_text,
    ".md": _read_plain_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": pdf_to_text,
}
"""File name suffix -> function that returns the text of such a file."""


class FolderReader:
    """Reads all text files of a folder and its subfolders, or a single text file.

    An unreadable file is a row without text in a folder, and an error on its own.
    """

    columns: tuple[str, ...] = (TEXT,)
    kinds: Mapping[str, str] = {TEXT: TEXT}

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = [path] if path.is_file() else sorted(_text_files(path))
        if not self.files:
            suffixes = sorted({p.suffix for p in path.iterdir() if p.is_file() and p.suffix})
            raise SourceError(
                f"the folder {path} holds no {', '.join(TEXT_EXTRACTORS)} file",
                f"It holds {', '.join(suffixes)} files: choose one of them."
                if suffixes
                else "Choose a folder with documents.",
                "source.path",
            )

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield one row per file, in alphabetical order of the paths. Raises `SourceError`."""
        is_single_file = self.path.is_file()
        base = self.path.parent if is_single_file else self.path
        for file in self.files:
            location = file.relative_to(base).as_posix()
            try:
                text = _read(file)
            except UnreadableDocument as error:
                if is_single_file:
                    raise SourceError(
                        f"{file}: {error.message}", error.advice, "source.path"
                    ) from error
                yield SourceRow(location, {}, unreadable=error.message)
            else:
                yield SourceRow(location, {TEXT: text})

    def count(self, limit: int | None) -> int:
        """Return the number of files, at most `limit`."""
        return at_most(limit, len(self.files))


def _read(file: Path) -> str:
    """Return the text of `file`. Raises `UnreadableDocument` and `SourceError`."""
    try:
        return TEXT_EXTRACTORS[file.suffix.lower()](file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableDocument(
            f"a file that cannot be opened ({reason})",
            "Check its permissions, and its target if it is a link.",
        ) from error


def _text_files(folder: Path) -> Iterator[Path]:
    """Yield the text files below `folder`, without hidden files and folders."""
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in TEXT_EXTRACTORS and not name.startswith("."):
                yield Path(root, name)


def _raise(error: OSError) -> None:
    raise error
