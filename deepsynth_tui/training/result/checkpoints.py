"""Which checkpoint a run resumes from: the newest complete one.

`why_incomplete` looks for what an interrupted run has not written, and is fast. `checkpoint_damage`
reads every byte. Standard library, settings and safetensors only.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from deepsynth_tui.runs.json_file import BadContent, Fields, read_object
from deepsynth_tui.training.result.checkpoint_checksums import CHECKSUMS, has_checksums
from deepsynth_tui.training.result.checkpoint_record import (
    CHECKSUMS_SINCE,
    CheckpointRecord,
    read_record,
)
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER, PROJECTION_FILE

WEIGHTS = (ADAPTER_WEIGHTS, "model.safetensors")
WEIGHTS_INDEX = "model.safetensors.index.json"
STATES = ("optimizer.pt", "scheduler.pt")  # zip archives, as torch.save writes
TRAINER_STATE = "trainer_state.json"  # transformers writes it last
MAX_JSON_BYTES = 1 << 30
"""The state of a long run holds its whole history, and an index the name of every tensor."""
BEST = "best_model_checkpoint"  # a path in trainer_state.json
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The checkpoint to resume from, and newer ones that are incomplete or damaged.

    `path` is None and `step` 0 where there is no complete checkpoint. `incomplete` pairs a
    checkpoint with what is wrong with it. `record` says what the run was made with so far, None in
    runs of earlier versions; `is_extended` if its last extension begins here. `best` is the best
    checkpoint up to here, unless it is lost.
    """

    path: Path | None
    step: int
    incomplete: tuple[tuple[Path, str], ...]
    record: CheckpointRecord | None = None
    is_extended: bool = False
    best: Path | None = None
    lost_best: bool = False


def newest_complete(
    folder: Path,
    num_processes: int = 1,
    *,
    why_damaged: Callable[[Path], str | None] | None = None,
) -> ResumePoint:
    """Return the complete checkpoint of the highest step among `folder`/checkpoint-<step>.

    Each of the `num_processes` ranks must have saved its random state in it. `why_damaged` is asked
    about the content of one that is complete.

    Raises:
        OSError: a file of a complete checkpoint cannot be read.
    """
    incomplete: list[tuple[Path, str]] = []
    steps = checkpoint_steps(folder) if folder.is_dir() else {}
    for path, step in sorted(steps.items(), key=lambda item: item[1], reverse=True):
        problem = why_incomplete(path, step, num_processes)
        if problem is None and why_damaged is not None:
            problem = why_damaged(path)
        if problem is None:
            return ResumePoint(path, step, tuple(incomplete))
        incomplete.append((path, problem))
    return ResumePoint(None, 0, tuple(incomplete))


def checkpoint_path(folder: str | Path, step: int) -> Path:
    """Return the folder that transformers writes the checkpoint of a step to."""
    return Path(folder) / f"checkpoint-{step}"


def checkpoint_steps(folder: Path) -> dict[Path, int]:
    """Return the checkpoints in a folder and the step of each."""
    return {
        path: int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))
    }


def why_incomplete(checkpoint: Path, step: int, num_processes: int = 1) -> str | None:
    """Return why a checkpoint cannot be resumed from, None if it can."""
    try:
        saved_step = Fields(read_state(checkpoint), TRAINER_STATE).integer("global_step")
        record = read_record(checkpoint)
        weights = _weight_files(checkpoint)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename).name} cannot be read: {error.strerror}"
    except BadContent as error:
        return str(error)
    if saved_step != step:
        return f"{TRAINER_STATE} is of step {saved_step}"
    if record is not None and record.version >= CHECKSUMS_SINCE and not has_checksums(checkpoint):
        return f"{CHECKSUMS} is missing"
    for name in (*STATES, *_random_states(num_processes)):
        if not zipfile.is_zipfile(checkpoint / name):
            return f"{name} is missing or incomplete"
    if not weights:
        return "it has no weights"
    encoder = checkpoint / ENCODER_FOLDER
    if encoder.is_dir() and not (encoder / PROJECTION_FILE).is_file():
        return f"{ENCODER_FOLDER}/{PROJECTION_FILE} is missing or incomplete"
    for path in (*weights, *sorted(encoder.rglob("*.safetensors"))):
        if not is_complete_safetensors(path):
            return f"{path.name} is missing or incomplete"
    return None


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Return transformers' `TrainerState` of a checkpoint.

    Raises:
        BadContent: it is damaged.
        OSError: it cannot be read.
    """
    return read_object(checkpoint / TRAINER_STATE, max_bytes=MAX_JSON_BYTES)


def best_checkpoint(folder: Path, recorded: str | None) -> Path | None:
    """Return the best checkpoint in `folder`, None without one.

    `recorded` is the path in the `TrainerState`; the folder may have been moved since.
    """
    return folder / Path(recorded).name if recorded else None


def rotate_checkpoints(newest: Path, *, keep: int, best: Path | None) -> None:
    """Delete checkpoints until `keep` are left, but never the `newest` nor the `best`.

    Checkpoints of later steps than `newest` are deleted first: they were incomplete when the run
    resumed. Then the oldest are deleted.
    """
    steps = checkpoint_steps(newest.parent)
    order = sorted(steps, key=lambda path: (steps[path] <= steps[newest], steps[path]))
    deletable = [path for path in order if path not in (newest, best)]
    for path in deletable[: max(0, len(order) - keep)]:
        (path / TRAINER_STATE).unlink(missing_ok=True)  # half of it must not look complete
        shutil.rmtree(path)


def is_complete_safetensors(path: Path) -> bool:
    """Return whether the file is as long as its header says."""
    try:
        with safe_open(path, framework="np"):
            return True
    except (OSError, SafetensorError):
        return False


def _random_states(num_processes: int) -> list[str]:
    if num_processes == 1:
        return ["rng_state.pth"]
    return [f"rng_state_{rank}.pth" for rank in range(num_processes)]


def _weight_files(checkpoint: Path) -> list[Path]:
    """Return the files of the weights, also those that the index of a large model only names."""
    for name in WEIGHTS:
        if (checkpoint / name).is_file():
            return [checkpoint / name]
    if not (checkpoint / WEIGHTS_INDEX).is_file():
        return []
    weight_map = read_object(checkpoint / WEIGHTS_INDEX, max_bytes=MAX_JSON_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BadContent(f"{WEIGHTS_INDEX} names no files")
    return [checkpoint / name for name in sorted(set(map(str, weight_map.values())))]
