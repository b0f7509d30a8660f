"""Images inside `.zip` and `.tar` files that lie beside the file with the rows."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from deepsynth_tui.conversations.errors import UnusableRow

ZIP, TAR = ".zip", ".tar"


def read_from_archives(folder: Path, name: str) -> bytes | None:
    """Return the bytes of the file `name` in an archive of `folder`, None if none has it.

    `images/1.png` is found in any archive under that name, and in images.zip also under `1.png`.

    Raises:
        UnusableRow: an archive is damaged.
    """
    if not folder.is_dir():
        return None
    for archive in _archives(folder, folder.stat().st_mtime_ns):
        for member in _member_names(archive, name):
            try:
                content = _read(archive, member)
            except (zipfile.BadZipFile, tarfile.TarError, OSError) as error:
                raise UnusableRow(f"{archive} cannot be read: {error}") from error
            if content is not None:
                return content
    return None


@lru_cache(maxsize=64)
def _archives(folder: Path, _mtime_ns: int) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in (ZIP, TAR)))


def _member_names(archive: Path, name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    yield str(path)
    if len(path.parts) > 1 and path.parts[0] == archive.stem:
        yield str(PurePosixPath(*path.parts[1:]))


def _read(archive: Path, member: str) -> bytes | None:
    if archive.suffix.lower() == TAR:
        place = _tar_members(archive, archive.stat().st_mtime_ns).get(member)
        if place is None:
            return None
        with archive.open("rb") as file:
            file.seek(place[0])
            return file.read(place[1])
    # A process forked from this one must not share the position in the file.
    members = _open_zip(archive, archive.stat().st_mtime_ns, os.getpid())
    try:
        return members.read(member)
    except KeyError:
        return None


@lru_cache(maxsize=64)
def _open_zip(path: Path, _mtime_ns: int, _pid: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


@lru_cache(maxsize=64)
def _tar_members(path: Path, _mtime_ns: int) -> dict[str, tuple[int, int]]:
    with tarfile.open(path, "r:") as archive:
        return {
            str(PurePosixPath(member.name)): (member.offset_data, member.size)
            for member in archive
            if member.isfile()
        }
