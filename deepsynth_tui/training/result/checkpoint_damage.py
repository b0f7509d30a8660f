"""Whether the files of a checkpoint are as they were written. Reads every byte of them."""

from __future__ import annotations

import logging
import time
import zipfile
from pathlib import Path

import torch
from transformers.trainer_pt_utils import safe_globals

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.failures.pickles import describe_refused_pickle, is_refused_pickle
from deepsynth_tui.training.result.checkpoint_checksums import has_checksums, why_changed
from deepsynth_tui.training.result.disk_space import folder_bytes
from deepsynth_tui.units import format_bytes

log = logging.getLogger(__name__)

PICKLES = (".pt", ".pth")


def why_damaged(checkpoint: Path) -> str | None:
    """Return what is wrong with the content of a checkpoint, None if nothing is.

    Files are compared with their checksums. A checkpoint of an earlier version has none: the CRCs
    in its archives tell of damage to all files but weights. A pickle may hold nothing but tensors
    and plain values, whoever wrote its checksum.

    Raises:
        OSError: a file cannot be read.
    """
    start = time.perf_counter()
    pickles = sorted(path for path in checkpoint.iterdir() if path.suffix in PICKLES)
    problem = why_changed(checkpoint) if has_checksums(checkpoint) else _why_broken(pickles)
    for path in pickles:
        problem = problem or why_not_loaded(path)
    log.info(
        "checked %s: %s in %.2f s",
        checkpoint.name,
        format_bytes(folder_bytes(checkpoint)),
        time.perf_counter() - start,
    )
    return problem


def refuse_damaged(best: Path) -> None:
    """Refuse the best checkpoint at the end of a run if it was damaged meanwhile.

    Raises:
        TrainingError: it is damaged.
    """
    if problem := why_damaged(best):
        raise TrainingError(
            f"{best.name}, the best checkpoint, is damaged: {problem}",
            "Resume the run: it continues from its last checkpoint without the best one.",
        )


def why_not_loaded(path: Path) -> str | None:
    """Return why PyTorch cannot load a file with `weights_only`, None if it can."""
    try:
        with safe_globals():
            # Without a copy of the tensors, unless the file is of PyTorch's former format.
            is_zip = zipfile.is_zipfile(path)
            torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as error:  # noqa: BLE001 - a damaged pickle can raise anything
        if is_refused_pickle(str(error)):
            return describe_refused_pickle(str(error), path.name)
        return f"{path.name} is damaged"
    return None


def _why_broken(archives: list[Path]) -> str | None:
    """Return which of the archives is broken, by the CRCs in it."""
    for path in archives:
        try:
            with zipfile.ZipFile(path) as archive:
                entry = archive.testzip()
        except zipfile.BadZipFile:
            return f"{path.name} is damaged"
        if entry is not None:
            return f"{path.name} is damaged: {entry} does not match its CRC"
    return None
