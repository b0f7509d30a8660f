"""Delete adapters from this machine."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.config.locations import home
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, find_run
from deepsynth_tui.runs.lock import claim
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS, LINEAGE, PEFT_CONFIG
from deepsynth_tui.training.stored_adapter import AdapterNotFound
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER

ADAPTER_FOLDERS = frozenset({ENCODER_FOLDER})
ADAPTER_SUFFIXES = frozenset(
    {".json", ".safetensors", ".jinja", ".txt", ".md", ".model", ".py", ".bin"}
)
"""Suffixes of weights, processor files, card and code. A folder with others holds more than an
adapter."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A folder to delete, the bytes that this frees, and the run that it belongs to, if any."""

    name: str
    folder: Path
    bytes: int
    run: RunDirectory | None


def plan_deletion(name: str) -> Deletion:
    """Return what deleting an adapter deletes: a whole one, or the rest of a damaged one.

    Of a run only the adapter is deleted; its checkpoints, events and configuration stay.

    Raises:
        UserError: there is no such adapter, or its folder holds other files.
    """
    run = _run(name)
    folder = run.adapter if run is not None else Path(name).expanduser()
    if not folder.is_dir() or not (run is not None or _holds_adapter(folder)):
        raise AdapterNotFound(
            f"{name} is no adapter on this machine",
            "Give the folder of an adapter or a run with one; `hf cache rm` deletes downloads",
        )
    if run is None and (folder.parent / "run.json").is_file():
        run = RunDirectory(folder.parent.name, folder.parent)
    if folder.is_symlink():
        raise UserError(f"{folder} is a link", f"Give the folder itself: {folder.resolve()}")
    if others := sorted(entry.name for entry in folder.iterdir() if not _is_part(entry)):
        listed = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if others[3:] else "")
        raise UserError(
            f"{folder} holds more than an adapter: {listed}",
            "Move those files away, or delete the folder yourself",
        )
    return Deletion(name, folder, _size(folder), run)


def delete(deletion: Deletion) -> None:
    """Delete the folder. It loses its name first, so that half an adapter is never found.

    Raises:
        UserError: its run is not over.
        OSError: a file cannot be deleted.
    """
    with claim(deletion.run) if deletion.run is not None else contextlib.nullcontext():
        folder = deletion.folder
        doomed = folder.with_name(f".{folder.name}.deleted")
        shutil.rmtree(doomed, ignore_errors=True)  # of a deletion that was interrupted
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _run(name: str) -> RunDirectory | None:
    if _holds_adapter(Path(name).expanduser()):
        return None
    try:
        return find_run(home(), name)
    except RunNotFound:
        return None


def _holds_adapter(folder: Path) -> bool:
    return any((folder / file).is_file() for file in (PEFT_CONFIG, ADAPTER_WEIGHTS, LINEAGE))


def _is_part(entry: Path) -> bool:
    if entry.is_dir():
        return entry.name in ADAPTER_FOLDERS
    return entry.suffix in ADAPTER_SUFFIXES


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
