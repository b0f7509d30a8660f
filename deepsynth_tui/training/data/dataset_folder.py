"""What `data.path` means on this machine. Imports no heavy library: the preflight check uses it."""

from __future__ import annotations

import glob
from pathlib import Path

from deepsynth_tui.config.locations import home
from deepsynth_tui.runs.directory import RunNotFound, find_run


def dataset_folder(path: str) -> Path | None:
    """Return the folder itself, or the dataset folder of a run given by path, id or name.

    None for neither; `path` may still be a file, a glob, or the id of a dataset on the Hub.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() and not (folder / "run.json").is_file():
        return folder
    if folder.is_file():
        return None
    try:
        return find_run(home(), path).dataset
    except RunNotFound:
        return None


def dataset_files(path: str) -> list[Path] | None:
    """Return the files of a dataset on this machine; None if it is not on this machine.

    Empty for an empty folder, a run without a dataset, or a glob that matches nothing.
    """
    folder = dataset_folder(path)
    if folder is not None:
        return sorted(file for file in folder.rglob("*") if file.is_file())
    file = Path(path).expanduser()
    if file.is_file():
        return [file]
    if glob.has_magic(path):
        names = glob.glob(str(file), recursive=True)  # noqa: PTH207
        return sorted(Path(name) for name in names if Path(name).is_file())
    return None


def may_be_dataset(path: str) -> bool:
    """Return whether `path` names something here, is a glob, or looks like a Hub id.

    Looks at no file of a dataset, of which there may be many.
    """
    is_here = dataset_folder(path) is not None or Path(path).expanduser().is_file()
    return is_here or glob.has_magic(path) or may_be_on_hub(path)


def may_be_on_hub(path: str) -> bool:
    """Return whether `path`, which is not on this machine, looks like a Hub id: owner/name."""
    return path.count("/") == 1 and not path.startswith(("/", ".", "~")) and "," not in path
