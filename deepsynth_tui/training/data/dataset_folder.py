"""Which folder `data.path` means. Needs no library, so that a check before the start is quick."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.locations import home
from deepsynth_tui.runs.directory import RunNotFound, find_run


def dataset_folder(path: str) -> Path | None:
    """Return the folder itself, or the dataset of a run given by path, id or name; None if neither.

    What is None may still be the id of a dataset on the Hub.
    """
    given = Path(path).expanduser()
    if given.is_dir() and not (given / "run.json").is_file():
        return given
    try:
        return find_run(home(), path).dataset
    except RunNotFound:
        return None


def may_be_on_hub(path: str) -> bool:
    """Whether `path`, which is no folder, has the form of a Hub id: owner/name."""
    return path.count("/") == 1 and not path.startswith(("/", ".", "~"))
