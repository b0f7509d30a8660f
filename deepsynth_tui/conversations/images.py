"""Images of a row: embedded bytes, data URLs, or paths to files, to members of archives and to
PDF pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from deepsynth_tui.conversations.archives import read_from_archives
from deepsynth_tui.conversations.conversation import StoredImage
from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.conversations.pdf_pages import render_only_page

# The first characters of PNG, JPEG, GIF and WebP files in Base64.
BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR")
MIN_BASE64_CHARACTERS = 80  # a path that begins like this is shorter
SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Where the images of a dataset are.

    Attributes:
        folder: Folder of relative paths, None: the folder of the file that contains the path.
    """

    folder: Path | None = None

    def find(self, reference: Any, beside: Path | None) -> StoredImage:
        """Return the image that a row refers to; `beside` is the folder of the row's file.

        Raises:
            UnusableRow: there is no such file, or the reference is to the internet.
        """
        match reference:
            case bytes():
                return {"bytes": reference, "path": None}
            case str():
                return self._find_text(reference, beside)
            case {"bytes": bytes() as content, **rest}:
                return {"bytes": content, "path": rest.get("path")}
            case {"path": str(path), "offset": int(offset), "size": int(size), "name": str(name)}:
                with Path(path).open("rb") as archive:
                    archive.seek(offset)
                    return {"bytes": archive.read(size), "path": name}
            case {"pdf": str(path)}:
                return {"bytes": None, "path": str(render_only_page(Path(path)))}
            case {"bytes": str(content), **rest}:
                return {"bytes": _decode_base64(content), "path": rest.get("path")}
            case Mapping():
                named = (reference.get(key) for key in ("path", "url", "file_name", "filename"))
                text = next((value for value in named if isinstance(value, str) and value), None)
                if text is not None:
                    return self._find_text(text, beside)
                raise UnusableRow("an image without bytes and without path", "Remove the row.")
            case _:
                raise UnusableRow(
                    f"an image given as {type(reference).__name__}, not as bytes or path",
                    "Name the column that holds the images with data.image_column.",
                )

    def _find_text(self, text: str, beside: Path | None) -> StoredImage:
        scheme = text[:10].partition(":")[0].lower()
        if scheme == "data":
            return {"bytes": _decode_data_url(text), "path": None}
        if text.startswith(BASE64_STARTS) and len(text) > MIN_BASE64_CHARACTERS:
            return {"bytes": _decode_base64(text), "path": None}
        if scheme in ("http", "https", "s3", "gs", "hf"):
            raise UnusableRow(
                f"the image {_shown(text)} is on the internet, and rows are read without it",
                "Download the images and give their paths.",
            )
        if scheme == "file":
            text = unquote(urlsplit(text).path)
        return self._find_path(text, beside)

    def _find_path(self, text: str, beside: Path | None) -> StoredImage:
        if not text or "\0" in text:
            raise UnusableRow("an image with an empty path", "Remove the row.")
        path = Path(text).expanduser()
        folders = [folder for folder in (self.folder, beside) if folder is not None]
        for candidate in [path] if path.is_absolute() else [folder / path for folder in folders]:
            if _is_file(candidate):
                return {"bytes": None, "path": str(candidate)}
        if not path.is_absolute():
            for folder in folders:
                if (content := read_from_archives(folder, text)) is not None:
                    return {"bytes": content, "path": text}
        where = f" in {' or '.join(map(str, folders))}" if folders else ""
        raise UnusableRow(
            f"there is no image {_shown(text)}{'' if path.is_absolute() else where}",
            "Set data.image_folder to the folder that image paths are relative to.",
        )


def image_references(value: Any) -> list[Any]:
    """Return the references in an image column, whether it holds one image or a list."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long
        return False


def _decode_data_url(text: str) -> bytes:
    header, comma, content = text.partition(",")
    if not comma:
        raise UnusableRow(f"an image with an incomplete data URL: {_shown(text)}")
    if header.lower().endswith(";base64"):
        return _decode_base64(unquote(content))
    return unquote_to_bytes(content)


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise UnusableRow(f"an image whose Base64 is damaged: {error}") from error


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
