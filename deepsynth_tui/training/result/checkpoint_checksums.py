"""SHA-256 checksums of the files of a checkpoint, in the format that `sha256sum -c` reads.

They are written last, when every rank has saved its part. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deepsynth_tui.runs import atomic

CHECKSUMS = "SHA256SUMS"
LOADED_SUFFIXES = (".json", ".pt", ".pth", ".safetensors")
"""Suffixes of the files that are read on resume: each of them must have a checksum."""
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class BadChecksums(ValueError):
    """The list of checksums is damaged."""


def write_checksums(checkpoint: Path, known: Mapping[str, str] | None = None) -> int:
    """Flush the files of a checkpoint to disk, write their checksums, and return their bytes.

    `known` are checksums of files that were copied: damage on the way must not go unnoticed.

    Raises:
        OSError: a file cannot be flushed or read, or the disk is full.
    """
    names = _file_names(checkpoint)
    paths = [checkpoint / name for name in names]
    atomic.sync_all(checkpoint)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashlib releases the GIL
        checksums = dict(zip(names, pool.map(_digest, paths), strict=True)) | dict(known or {})
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(checksums.items()))
    atomic.replace(checkpoint / CHECKSUMS, text.encode(), durable=True)
    atomic.sync(checkpoint.parent)
    return sum(path.stat().st_size for path in paths)


def has_checksums(checkpoint: Path) -> bool:
    """Return whether the files of a checkpoint have checksums."""
    return (checkpoint / CHECKSUMS).is_file()


def read_checksums(checkpoint: Path) -> dict[str, str]:
    """Return the checksum of each file by its name.

    Raises:
        BadChecksums: the list is not as `write_checksums` wrote it.
    """
    try:
        lines = (checkpoint / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadChecksums(f"{CHECKSUMS} is damaged") from None
    matches = [_LINE.fullmatch(line) for line in lines]
    checksums = {match[2]: match[1] for match in matches if match is not None}
    if not lines or len(checksums) != len(lines):
        raise BadChecksums(f"{CHECKSUMS} is damaged")
    return checksums


def why_changed(checkpoint: Path) -> str | None:
    """Return how a checkpoint differs from its checksums, None if it does not.

    Raises:
        OSError: a file cannot be read.
    """
    try:
        checksums = read_checksums(checkpoint)
    except BadChecksums as error:
        return str(error)
    missing = [name for name in checksums if not (checkpoint / name).is_file()]
    if missing:
        return f"{missing[0]} is missing"
    for name in _file_names(checkpoint):
        if name not in checksums and name.endswith(LOADED_SUFFIXES):
            return f"{CHECKSUMS} has no line for {name}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(_digest, [checkpoint / name for name in checksums])
        for (name, expected), digest in zip(checksums.items(), digests, strict=True):
            if digest != expected:
                return f"{name} does not match its checksum"
    return None


def _file_names(checkpoint: Path) -> list[str]:
    """Return the names of all files of a checkpoint, with their folders in it, sorted."""
    names = (p.relative_to(checkpoint).as_posix() for p in checkpoint.rglob("*") if p.is_file())
    return sorted(name for name in names if name != CHECKSUMS)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
