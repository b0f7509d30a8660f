"""Documents that are files of their own, in a folder or alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.decode_text import decode
from deepsynth_tui.dataset.reading.html_text import text_of_html
from deepsynth_tui.dataset.reading.pdf_text import text_of_pdf
from deepsynth_tui.dataset.reading.reader import TEXT, SourceRow, at_most


def _plain(path: Path) -> str:
    return decode(path.read_bytes(), path)


def _html(path: Path) -> str:
    return text_of_html(path.read_bytes())


TEXT_OF: Mapping[str, Callable[[Path], str]] = {
    ".txt": _plain,
    ".md": _plain,
    ".html": _html,
    ".htm": _html,
    ".pdf": text_of_pdf,
}
"""How the text of a file is read, by the end of its name."""


class FolderReader:
    """Every file of `TEXT_OF` in a folder and the folders in it, or a single such file.

    Of a folder, a file that cannot be read is a record without text; alone, it is an error.
    """

    columns: tuple[str, ...] = (TEXT,)
    kinds: Mapping[str, str] = {TEXT: TEXT}

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = [path] if path.is_file() else sorted(_text_files(path))
        if not self.files:
            others = sorted({p.suffix for p in path.iterdir() if p.is_file() and p.suffix})
            raise SourceError(
                f"the folder {path} holds no {', '.join(TEXT_OF)} file",
                f"It holds {', '.join(others)} files: name one of them."
                if others
                else "Choose a folder with documents.",
                "source.path",
            )

    def records(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the files in alphabetic order of their paths. Raises `SourceError`."""
        alone = self.path.is_file()
        base = self.path.parent if alone else self.path
        for file in self.files:
            place = file.relative_to(base).as_posix()
            try:
                text = _read(file)
            except UnreadableDocument as error:
                if alone:
                    raise SourceError(
                        f"{file}: {error.message}", error.advice, "source.path"
                    ) from error
                yield SourceRow(place, {}, unreadable=error.message)
            else:
                yield SourceRow(place, {TEXT: text})

    def count(self, limit: int | None) -> int:
        """Return the number of files, at most `limit`."""
        return at_most(limit, len(self.files))


def _read(file: Path) -> str:
    """Return the text of `file`. Raises `UnreadableDocument` and `SourceError`."""
    try:
        return TEXT_OF[file.suffix.lower()](file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableDocument(
            f"a file that cannot be opened ({reason})", "Check its rights, and links to it."
        ) from error


def _text_files(folder: Path) -> Iterator[Path]:
    """Yield the text files under `folder`; hidden ones and hidden folders are left alone."""
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in TEXT_OF and not name.startswith("."):
                yield Path(place, name)


def _raise(error: OSError) -> None:
    raise error
