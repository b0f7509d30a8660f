"""Find the files of a folder: links are followed, each file and folder is found once."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from deepsynth_tui.dataset.reading.open_file import special_kind
from deepsynth_tui.dataset.reading.reader import HIDDEN

REPEATED = "link to what is read anyway"


@dataclass(slots=True)
class FolderFiles:
    """The files below `folder` in the order of their paths, and how many others there are.

    A link that leads nowhere is a file that cannot be read.
    """

    folder: Path
    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def walk_folder(folder: Path) -> FolderFiles:
    """Return all files below `folder` but hidden ones, FIFOs, sockets and devices.

    A file or folder with several names, one of them no link, has that name; of several links, it
    has the first. Raises OSError for a folder that cannot be read.
    """
    walk = _Walk(folder)
    walk.add_folder(folder, os.path.realpath(folder))
    while walk.links:
        walk.links.sort()
        walk.follow(walk.links.pop(0))
    walk.found.files.sort()
    return walk.found


class _Walk:
    """The state of `walk_folder`; `links` are those not followed yet."""

    def __init__(self, folder: Path) -> None:
        self.found = FolderFiles(folder)
        self.links: list[Path] = []
        # Real paths: of the folders, whose files need not be remembered, and of linked files.
        self._folders: set[str] = set()
        self._linked_files: set[str] = set()

    def add_folder(self, folder: Path, real: str) -> None:
        """Add what is in a folder and its folders, and collect the links."""
        if real in self._folders:
            self.found.left_out[REPEATED] += 1
            return
        self._folders.add(real)
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = folder / entry.name
                if entry.name.startswith("."):
                    self.found.left_out[HIDDEN] += 1
                elif entry.is_symlink():
                    self.links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    self.add_folder(path, os.path.join(real, entry.name))  # noqa: PTH118
                elif entry.is_file(follow_symlinks=False):
                    self.found.files.append(path)
                else:
                    self._add_file(path)

    def follow(self, link: Path) -> None:
        """Add what a link leads to."""
        target = os.path.realpath(link)
        parent, name = os.path.split(target)
        if link.is_dir():
            self.add_folder(link, target)
        elif target in self._linked_files or (
            parent in self._folders and name[0] != "." and link.exists()
        ):
            self.found.left_out[REPEATED] += 1
        else:
            self._linked_files.add(target)
            self._add_file(link)

    def _add_file(self, path: Path) -> None:
        try:
            kind = special_kind(path.stat().st_mode)
        except OSError:
            # Reading it says why it cannot be read.
            kind = None
        if kind:
            self.found.left_out[kind] += 1
        else:
            self.found.files.append(path)
