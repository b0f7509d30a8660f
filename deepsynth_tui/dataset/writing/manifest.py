"""`manifest.json`: the settings a dataset is generated with and, once complete, its files."""

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

FILENAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `manifest.json`.

    Args:
        settings: Those that decide what the shards hold, by dotted key.
        font: Name of the font that `page.font` selects.
        program: Name and version of the program.
        files: The shards in order: path, split, rows, bytes and SHA-256 of each.
    """

    settings: Mapping[str, Any]
    font: str
    program: str = f"deepsynth-tui {__version__}"
    files: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def of(cls, config: DatasetConfig, font: str) -> Self:
        """Return the manifest of a dataset that has no files yet."""
        return cls(settings_in_shards(config), font)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the manifest in `folder`, or None if there is none that can be read."""
        try:
            data = json.loads((folder / FILENAME).read_bytes())
            if data["version"] != VERSION:
                return None
            return cls(data["settings"], data["font"], data["program"], tuple(data["files"]))
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Write the manifest into `folder` atomically."""
        text = json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False, indent=2)
        atomic.replace(folder / FILENAME, text.encode() + b"\n", durable=True)

    def with_files(self, shards: Iterable[tuple[Shard, str]]) -> Manifest:
        """Return the manifest with the files of `shards`, each with its path in the dataset."""
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

    def incompatible_changes(self, new: Manifest) -> list[str]:
        """Return why a dataset begun with this manifest cannot be continued with `new`.

        Each line reads `name: old -> new`.
        """
        before = {"made with": self.program, "font": self.font, **self.settings}
        after = {"made with": new.program, "font": new.font, **new.settings}
        return incompatible_changes(before, after)
