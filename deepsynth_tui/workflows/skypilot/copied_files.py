"""The folders and files of this machine that a training run reads, and their place in the task."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepsynth_tui.config.data import DataSettings, RowSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.dataset_folder import dataset_files, dataset_folder, may_be_on_hub
from deepsynth_tui.training.init_adapter import find_init_adapter
from deepsynth_tui.units import format_bytes

FILES = "files"
"""Folder of the task that holds them."""
IGNORE_FILES = (".gitignore", ".skyignore")
"""SkyPilot does not copy what these name."""
WITH_IMAGES = (".parquet", ".arrow", ".tar")
"""Suffixes of files that hold images themselves; rows of others name them."""


@dataclass
class CopiedFiles:
    """What is copied, by its path here; `notes` are what a user must know of it."""

    remote: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    bytes: int = 0

    def add(self, path: Path) -> str:
        """Return the path of `path` relative to the folder of the task."""
        path = path.absolute()
        for folder, copied in self.remote.items():
            if path.is_relative_to(folder):
                rest = path.relative_to(folder).as_posix()
                return copied if rest == "." else f"{copied}/{rest}"
        name = re.sub(r"[^\w.-]", "_", path.name)
        self.remote[path] = f"./{FILES}/{len(self.remote)}/{name}"
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        self.bytes += size
        self.notes.append(f"copied: {path} ({format_bytes(size)})")
        if ignoring := [file for file in files if file.name in IGNORE_FILES]:
            self.notes.append(f"SkyPilot leaves out what {ignoring[0]} names")
        return self.remote[path]


def with_copied_files(config: TrainingConfig, copied: CopiedFiles) -> TrainingConfig:
    """Return `config` with the paths that files of this machine have in the task.

    Ids on the Hub stay as they are.

    Raises:
        UserError: a dataset or an adapter is neither here nor on the Hub.
    """
    return config.model_copy(
        update={
            "model": config.model.model_copy(update=_model(config.model.name_or_path, copied)),
            "text_encoder": config.text_encoder.model_copy(
                update=_model(config.text_encoder.name_or_path, copied)
                if config.text_encoder.enabled
                else {}
            ),
            "lora": config.lora.model_copy(update=_adapter(config.lora.init_from, copied)),
            "data": config.data.model_copy(update=_rows(config.data, "data", copied)),
            "datasets": [
                dataset.model_copy(update=_rows(dataset, f"datasets[{number}]", copied))
                for number, dataset in enumerate(config.datasets)
            ],
        }
    )


def _model(name: str, copied: CopiedFiles) -> dict[str, str]:
    folder = Path(name).expanduser()
    return {"name_or_path": copied.add(folder)} if folder.is_dir() else {}


def _adapter(name: str | None, copied: CopiedFiles) -> dict[str, str]:
    adapter = find_init_adapter(name, download=False) if name else None
    return {"init_from": copied.add(adapter.folder)} if adapter else {}


def _rows(rows: RowSettings, key: str, copied: CopiedFiles) -> Mapping[str, Any]:
    changes: dict[str, Any] = {}
    if rows.path:
        changes["path"] = _dataset(rows.path, f"{key}.path", copied)
    if isinstance(rows, DataSettings) and rows.eval_path:
        changes["eval_path"] = _dataset(rows.eval_path, f"{key}.eval_path", copied)
    if rows.image_folder:
        changes["image_folder"] = copied.add(Path(rows.image_folder).expanduser())
    return changes


def _dataset(path: str, key: str, copied: CopiedFiles) -> str:
    folder = dataset_folder(path)
    if folder is not None:
        return copied.add(folder)
    file = Path(path).expanduser()
    if file.suffix.lower() in WITH_IMAGES and file.is_file():
        copied.notes.append(f"only {file.name}, which must hold its images")
        return copied.add(file)
    if file.is_file():
        return f"{_beside(file.parent, copied)}/{file.name}"
    if dataset_files(path):
        root = _root(file)
        return f"{_beside(root, copied)}/{file.relative_to(root).as_posix()}"
    if may_be_on_hub(path):
        copied.notes.append(f"{path} is downloaded: its size is not part of disk_size")
        return path
    raise UserError(
        f"{key}: {path} is neither here nor the id of a dataset on the Hub",
        "The files are copied from this machine: give their path here.",
        key,
    )


def _beside(folder: Path, copied: CopiedFiles) -> str:
    """Copy a folder of which files are named: their rows may name images beside them."""
    before = len(copied.remote)
    remote = copied.add(folder)
    if len(copied.remote) > before:
        copied.notes.append("all of that folder, as rows may name images in it")
    return remote


def _root(pattern: Path) -> Path:
    """Return the deepest folder that holds all matches of a glob."""
    while glob.has_magic(str(pattern)):
        pattern = pattern.parent
    return pattern
