"""The folder that `data.path` means. Imports no heavy library: the preflight check uses it."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.locations import home
from deepsynth_tui.runs.directory import RunNotFound, find_run


def dataset_folder(path: str) -> Path | None:
    """Return the folder itself, or the dataset folder of a run given by path, id or name.

    None for neither; `path` may still be the id of a dataset on the Hub.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() and not (folder / "run.json").is_file():
        return folder
    try:
        return find_run(home(), path).dataset
    except RunNotFound:
        return None


def may_be_on_hub(path: str) -> bool:
    """Return whether `path`, which is not a folder, looks like a Hub id: owner/name."""
    return path.count("/") == 1 and not path.startswith(("/", ".", "~"))
