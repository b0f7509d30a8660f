"""The container that the nodes of a batch job train in: Apptainer, or Pyxis and Enroot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import LaunchError
from deepsynth_tui.training.data.dataset_folder import dataset_folder

IMAGE_PYTHON = "python3"


def container_python(config: TrainingConfig, run: RunDirectory, cwd: Path) -> list[str]:
    """Return what srun runs as Python on a node: that of the image; nothing without a container.

    Raises LaunchError if a folder cannot be mounted.
    """
    image = config.launch.container
    if image is None:
        return []
    folders = outermost(_folders(config, run, cwd))
    if bad := next((folder for folder in folders if set(str(folder)) & set(",:")), None):
        raise LaunchError(
            f"{bad} cannot be mounted in a container: its name has a comma or a colon",
            "Use another folder, or leave launch.container out",
        )
    if is_of_apptainer(image):
        return apptainer(image, folders, cwd, gpus=config.launch.gpus_per_node != 0)
    return pyxis(image, folders, cwd)


def is_of_apptainer(image: str) -> bool:
    """Return whether Apptainer runs an image: a .sif file, or a URI; Pyxis runs the others."""
    return image.endswith(".sif") or "://" in image


def apptainer(image: str, folders: Sequence[Path], cwd: Path, *, gpus: bool) -> list[str]:
    """Return the command of Apptainer before its arguments (apptainer exec --help)."""
    mounts = [word for folder in folders for word in ("--bind", str(folder))]
    nvidia = ["--nv"] if gpus else []
    return ["apptainer", "exec", *nvidia, *mounts, "--pwd", str(cwd), image, IMAGE_PYTHON]


def pyxis(image: str, folders: Sequence[Path], cwd: Path) -> list[str]:
    """Return the options that Pyxis adds to srun, and the command after them."""
    mounts = ",".join(f"{folder}:{folder}" for folder in folders)
    return [
        f"--container-image={image}",
        f"--container-mounts={mounts}",
        f"--container-workdir={cwd}",
        IMAGE_PYTHON,
    ]


def outermost(folders: Iterable[Path]) -> list[Path]:
    """Return the folders that are in no other one, sorted."""
    kept: list[Path] = []
    for folder in sorted(set(folders)):
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept


def _folders(config: TrainingConfig, run: RunDirectory, cwd: Path) -> list[Path]:
    """Return the existing folders that a run reads and writes; `cwd` is where it was started."""
    rows = (*config.all_datasets, config.data)
    named = [config.model.name_or_path, config.text_encoder.name_or_path, config.lora.init_from]
    named += [config.data.eval_path, *(each.image_folder for each in rows)]
    named += [dataset_folder(each.path) or each.path for each in rows if each.path]
    paths = [(cwd / Path(name).expanduser()).resolve() for name in named if name]
    local = [path if path.is_dir() else path.parent for path in paths if path.exists()]
    caches = [path for path in (hub_cache(), *_moved_caches(), cache_dir()) if path.is_dir()]
    return [run.path.absolute(), cwd, *local, *(path.absolute() for path in caches)]


def hub_cache() -> Path:
    """Return the folder in which the Hub's libraries keep models and datasets by default."""
    text = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(text).expanduser()


def _moved_caches() -> list[Path]:
    """Return the folders to which the Hub's libraries have moved a cache out of `hub_cache`."""
    texts = map(os.environ.get, ("HF_HUB_CACHE", "HF_DATASETS_CACHE"))
    return [Path(text).expanduser() for text in texts if text]
