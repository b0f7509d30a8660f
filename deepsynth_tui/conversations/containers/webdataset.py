"""Rows of WebDataset archives: the members with one key, such as 7.png and 7.json, are a row."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from deepsynth_tui.conversations.containers.json_values import DECODER
from deepsynth_tui.conversations.errors import DatasetError

IMAGE_SUFFIXES = frozenset(
    ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "img")
)
TEXT_SUFFIXES = frozenset(
    ("txt", "text", "md", "markdown", "html", "tex", "caption", "answer", "question", "cls")
)
JSON_SUFFIXES = frozenset(("json", "jsn"))
TEXT_NAMES = {"md": "markdown", "tex": "latex"}


def iter_webdataset(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (key, values) for each key of a tar file.

    Images are `images`, as places in the archive; text is under its suffix; the keys of a JSON
    object are columns of the row.

    Raises:
        DatasetError: the archive is damaged, compressed, or a member cannot be decoded.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) == b"\x1f\x8b":
                raise DatasetError(
                    f"{path} is compressed, and images in it cannot be found by their place",
                    f"Decompress it first: gunzip {path.name}",
                    "data.path",
                )
        with tarfile.open(path, "r:") as archive:
            yield from _rows(path, archive)
    except (tarfile.TarError, OSError, EOFError, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path} cannot be read as a tar file: {error}",
            "The file may be incomplete or damaged: copy it again.",
            "data.path",
        ) from error


def _rows(path: Path, archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, Any]]]:
    key: str | None = None
    values: dict[str, Any] = {}
    images: dict[str, dict[str, Any]] = {}
    for member in archive:
        if not member.isfile() or PurePosixPath(member.name).name.startswith("."):
            continue
        member_key, suffix = _split_name(member.name)
        if member_key != key:
            if key is not None:
                yield key, _with_images(values, images)
            key, values, images = member_key, {}, {}
        kind = suffix.rpartition(".")[2]
        if kind in IMAGE_SUFFIXES:
            images[suffix] = {
                "path": str(path.resolve()),
                "offset": member.offset_data,
                "size": member.size,
                "name": member.name,
            }
        elif kind in TEXT_SUFFIXES or kind in JSON_SUFFIXES:
            file = archive.extractfile(member)
            assert file is not None  # it is a regular file
            value = _decode(path, member.name, file, is_json=kind in JSON_SUFFIXES)
            if isinstance(value, dict):
                values |= value
            else:
                values[TEXT_NAMES.get(suffix, suffix)] = value
        else:
            values[suffix] = None  # its name is listed among the columns
    if key is not None:
        yield key, _with_images(values, images)


def _with_images(values: dict[str, Any], images: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the row with the images in the archive, which replace paths in its JSON."""
    if not images:
        return values
    in_order = [images[name] for name in sorted(images, key=_number_or_name)]
    return {**{k: v for k, v in values.items() if k not in ("image", "images")}, "images": in_order}


def _number_or_name(suffix: str) -> tuple[int, str]:
    number = re.search(r"\d+", suffix)
    return int(number.group()) if number else 0, suffix


def _decode(path: Path, name: str, file: IO[bytes], *, is_json: bool) -> Any:
    try:
        text = file.read().decode("utf-8-sig")
        if not is_json:
            return text
        value, end = DECODER.raw_decode(text.strip())
        if end != len(text.strip()):
            raise ValueError("more than one value")
        return value if isinstance(value, dict) else json.dumps(value)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path}: the member {name} cannot be read: {error}",
            "Members with text are UTF-8, and JSON members hold one object.",
            "data.path",
        ) from error


def _split_name(name: str) -> tuple[str, str]:
    """Return key and suffix: both are divided at the first dot of the file name."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return str(path.with_name(stem)), suffix.lower()
