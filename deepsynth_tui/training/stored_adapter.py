"""An adapter on this machine, found by folder, run or Hub id. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.locations import home
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunNotFound, find_run
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS, PEFT_CONFIG
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER

FINGERPRINT_LENGTH = 16


class AdapterNotFound(UserError):
    """No adapter has this name, or a file of it is missing."""


@dataclass(frozen=True, slots=True)
class StoredAdapter:
    """An adapter on this machine. `name` is what the user wrote, `commit` that of the Hub."""

    name: str
    folder: Path
    commit: str | None = None

    @property
    def peft_config(self) -> Mapping[str, Any]:
        """The content of `adapter_config.json`."""
        return json.loads((self.folder / PEFT_CONFIG).read_text(encoding="utf-8"))

    @property
    def encoder_folder(self) -> Path | None:
        """The trained parts of its text encoder, None without one."""
        folder = self.folder / ENCODER_FOLDER
        return folder if folder.is_dir() else None

    @property
    def weights_hash(self) -> str:
        """The beginning of the SHA-256 of its weights."""
        with (self.folder / ADAPTER_WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:FINGERPRINT_LENGTH]

    def to_json(self) -> dict[str, Any]:
        """Return the `init_from` of the lineage."""
        return {
            "name": self.name,
            "path": str(self.folder),
            "commit": self.commit,
            "sha256": self.weights_hash,
        }


def find_adapter_on_this_machine(name: str) -> StoredAdapter | None:
    """Return the adapter in a folder or of a run (by path, id or name); None for a Hub id.

    Raises:
        AdapterNotFound: there is no such adapter.
    """
    folder = Path(name).expanduser()
    if not (folder / PEFT_CONFIG).is_file():
        try:
            folder = find_run(home(), name).adapter
        except RunNotFound:
            if folder.is_dir():
                problem = f"{folder} has no {PEFT_CONFIG} and is no run"
            elif name.startswith(("/", ".", "~")) or name.count("/") != 1:
                problem = f"{name} is no adapter and no run"
            else:
                return None
            raise _not_found(problem) from None
    for file in (PEFT_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / file).is_file():
            raise _not_found(f"{folder} has no {file}")
    return StoredAdapter(name, folder.resolve())


def download_adapter(name: str, files: tuple[str, ...]) -> StoredAdapter:
    """Return an adapter of the Hub, with the files that match these patterns.

    Raises:
        AdapterNotFound: the repository holds no adapter.
        OSError: the Hub does not have the repository, or cannot be reached.
    """
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(name, allow_patterns=list(files)))
    if not (folder / PEFT_CONFIG).is_file() or not (folder / ADAPTER_WEIGHTS).is_file():
        raise _not_found(f"{name} has no {PEFT_CONFIG} or no {ADAPTER_WEIGHTS}")
    return StoredAdapter(name, folder, commit=folder.name)


def _not_found(message: str) -> AdapterNotFound:
    return AdapterNotFound(message, "Give the folder of an adapter, a run with one, or a Hub id")
