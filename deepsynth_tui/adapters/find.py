"""Adapters of runs, in folders and on the Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.adapters.description import Adapter, read_adapter
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectory, scan_runs
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS, LINEAGE, PEFT_CONFIG
from deepsynth_tui.training.stored_adapter import (
    StoredAdapter,
    download_adapter,
    find_adapter_on_this_machine,
)
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER

SKIPPED_FOLDERS = frozenset({"checkpoints", "node_modules", "__pycache__"})
"""Folders that a search does not enter: the checkpoints of a run hold adapters of its past."""


@dataclass(frozen=True, slots=True)
class ListedAdapter:
    """An entry of the list. `adapter` is None if it cannot be read; `problem` says why."""

    name: str
    folder: Path
    adapter: Adapter | None
    problem: str = ""


def find_adapter(name: str) -> Adapter:
    """Return the adapter in a folder, of a run (by path, id or name), or on the Hub.

    One of the Hub is downloaded.

    Raises:
        UserError: there is no such adapter, it is damaged, or the Hub does not give it out.
    """
    stored = find_adapter_on_this_machine(name)
    return read_adapter(_download(name) if stored is None else stored)


def _download(name: str) -> StoredAdapter:
    from deepsynth_tui.training.failures import explain_as_user_error

    try:
        return download_adapter(
            name,
            (
                "*.json",
                ADAPTER_WEIGHTS,
                "*.txt",
                "*.jinja",
                "*.model",
                f"{ENCODER_FOLDER}/*",
                "README.md",
            ),
        )
    except UserError:
        raise
    except (OSError, ValueError) as error:
        explained = explain_as_user_error(error)
        raise UserError(f"{name}: {explained.message}", explained.advice) from error


def list_adapters(home: Path, places: Sequence[str] = ()) -> Iterator[ListedAdapter]:
    """Yield the adapters of all runs, newest first, or those in folders or of Hub ids.

    One that is damaged is listed with what is wrong with it.

    Raises:
        UserError: a place is no folder, no run and no adapter of the Hub.
    """
    if not places:
        for listed in scan_runs(home):
            yield from _of_run(listed.run)
        return
    for place in places:
        folder = Path(place).expanduser()
        if folder.is_dir() and not (folder / PEFT_CONFIG).is_file():
            for path in _adapter_folders(folder):
                yield _listed(str(path), path)
            continue
        adapter = find_adapter(place)
        yield ListedAdapter(place, adapter.folder, adapter)


def _of_run(run: RunDirectory) -> Iterator[ListedAdapter]:
    if run.adapter.is_dir():
        yield _listed(run.id, run.adapter)


def _listed(name: str, folder: Path) -> ListedAdapter:
    missing = [file for file in (PEFT_CONFIG, ADAPTER_WEIGHTS) if not (folder / file).is_file()]
    if missing:
        return ListedAdapter(name, folder, None, f"{' and '.join(missing)} missing")
    try:
        adapter = read_adapter(StoredAdapter(name, folder))
        _ = adapter.weights
    except UserError as error:
        return ListedAdapter(name, folder, None, error.message)
    return ListedAdapter(name, folder, adapter)


def _adapter_folders(root: Path) -> Iterator[Path]:
    """Yield the folders below `root` that hold an adapter or a part of one."""
    for path, folders, files in os.walk(root):
        if {PEFT_CONFIG, ADAPTER_WEIGHTS}.intersection(files) or _is_result(files):
            folders.clear()  # the adapter of a text encoder is a part of this one
            yield Path(path)
            continue
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith(".")
        )


def _is_result(files: list[str]) -> bool:
    return LINEAGE in files and not any(name.startswith("model") for name in files)
