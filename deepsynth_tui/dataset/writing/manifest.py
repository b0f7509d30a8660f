"""`manifest.json`: with which settings a dataset is made, and, once it is whole, its files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from deepsynth_tui import __version__
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.resume_dataset import incompatible_changes, settings_in_shards
from deepsynth_tui.dataset.writing.shards import Shard
from deepsynth_tui.runs import atomic

NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """`settings` by dotted key are those that decide what is in the shards; `font` is the one
    that `page.font` names. `files` are the shards in order: path, split, rows, bytes, SHA-256.
    """

    settings: Mapping[str, Any]
    font: str
    program: str = f"deepsynth-tui {__version__}"
    files: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def of(cls, config: DatasetConfig, font: str) -> Self:
        """Return what is known of a dataset that has not been begun."""
        return cls(settings_in_shards(config), font)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the manifest in `folder`; None where there is none, or none of ours."""
        try:
            said = json.loads((folder / NAME).read_bytes())
            if said["version"] != VERSION:
                return None
            return cls(said["settings"], said["font"], said["program"], tuple(said["files"]))
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Put it into `folder`, in one step."""
        text = json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False, indent=2)
        atomic.replace(folder / NAME, text.encode() + b"\n", durable=True)

    def with_files(self, shards: Iterable[tuple[Shard, str]]) -> Manifest:
        """Return it with the files of `shards`, each with its path in the dataset."""
        files = tuple(
            {
                "path": path,
                "split": shard.split,
                "rows": shard.rows,
                "bytes": shard.bytes,
                "sha256": shard.sha256,
            }
            for shard, path in shards
        )
        return replace(self, files=files)

    def incompatible_changes(self, wanted: Manifest) -> list[str]:
        """Return what keeps `wanted` from going on with what this one has begun, in lines
        `name: old -> new`."""
        ours = {"made with": self.program, "font": self.font, **self.settings}
        theirs = {"made with": wanted.program, "font": wanted.font, **wanted.settings}
        return incompatible_changes(ours, theirs)
