"""Read a small JSON file of a run that may be damaged, of a later version, or somebody else's."""

from __future__ import annotations

import json
import math
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 20
"""More than the status or identity of a run: a larger one is not what its name says."""
CACHED_FILES = 4096
"""Parsed files of one kind that a process remembers, by `settled_version`."""
SETTLED_SECONDS = 2.0
_LARGEST = 1e300
_LARGEST_INTEGER = 2**63


class BadContent(ValueError):
    """A file that can be read but holds something else than it should; the text says what."""


def read_object(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return the JSON object in a file of at most `max_bytes`.

    Raises:
        OSError: The file is gone or cannot be read.
        BadContent: It holds anything else.
    """
    with open(path, "rb", opener=_open_regular) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise BadContent(f"{path.name} is larger than {max_bytes >> 20} MiB")
    if not data.strip(b"\0 \r\n\t"):
        raise BadContent(f"{path.name} is empty")
    try:
        content = json.loads(data)
    except RecursionError:
        raise BadContent(f"{path.name} is nested too deeply") from None
    except ValueError:
        raise BadContent(f"{path.name} is not valid JSON") from None
    if not isinstance(content, dict):
        raise BadContent(f"{path.name} holds no JSON object")
    return content


def _open_regular(path: str, flags: int) -> int:
    """Open a file; a pipe or a device, which could block for ever, is refused."""
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise BadContent(f"{Path(path).name} is not a file")
    return file


def settled_version(path: Path) -> tuple[int, int, int] | None:
    """Return what any change of a file changes: inode, size and time of its last change.

    None if it changed just now, since another change may have the same time; git calls such a
    file racily clean. Raises OSError if the file is gone or cannot be looked at.
    """
    info = path.stat()
    if time.time() - info.st_ctime < SETTLED_SECONDS:
        return None
    return info.st_ino, info.st_size, info.st_ctime_ns


class Fields:
    """The values of a JSON object by name, each with its type; unknown names are ignored.

    Each method raises BadContent if the value is missing or has another type. An optional value
    may be null or missing.
    """

    def __init__(self, content: Mapping[str, Any], file: str) -> None:
        self._content = content
        self._file = file

    def text(self, name: str) -> str:
        """Return a string."""
        return self._required(name, self.optional_text(name))

    def number(self, name: str) -> float:
        """Return a finite number."""
        return self._required(name, self.optional_number(name))

    def integer(self, name: str) -> int:
        """Return an integer of 64 bits."""
        return self._required(name, self.optional_integer(name))

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._content.get(name)
        return value if isinstance(value, bool) else self._refuse(name)

    def texts(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings."""
        value = self._content.get(name)
        if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
            return value
        return self._refuse(name)

    def optional_text(self, name: str) -> str | None:
        """Return a string, or None."""
        value = self._content.get(name)
        return value if value is None or isinstance(value, str) else self._refuse(name)

    def optional_number(self, name: str) -> float | None:
        """Return a finite number, or None."""
        value = self._content.get(name)
        return None if value is None else self._number(name, value)

    def optional_integer(self, name: str) -> int | None:
        """Return an integer of 64 bits, or None."""
        value = self._content.get(name)
        if value is None:
            return None
        number = finite_integer(value)
        return self._refuse(name) if number is None else number

    def optional_object(self, name: str) -> Fields | None:
        """Return an object, or None."""
        value = self._content.get(name)
        if value is None:
            return None
        return Fields(value, self._file) if isinstance(value, dict) else self._refuse(name)

    def optional_texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; empty if it is missing."""
        values = self._content.get(name) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self._refuse(name)
        return tuple(values)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        values = self._content.get(name)
        if not isinstance(values, list):
            return self._refuse(name)
        return tuple(self._number(name, value) for value in values)

    def _number(self, name: str, value: object) -> float:
        number = finite_number(value)
        return self._refuse(name) if number is None else number

    def _required(self, name: str, value: Any) -> Any:
        return self._refuse(name) if value is None else value

    def _refuse(self, name: str) -> Any:
        raise BadContent(f"{self._file} has no valid `{name}`")


def finite_number(value: object) -> float | None:
    """Return `value` as a float if it is a finite number below 1e300, else None. A JSON integer
    may be too large for a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < _LARGEST and not math.isnan(value) else None


def finite_integer(value: object) -> int | None:
    """Return `value` if it is an integer of 64 bits, else None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < _LARGEST_INTEGER else None
