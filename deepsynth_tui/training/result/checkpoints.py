"""Which checkpoint a run resumes from: the newest complete one."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord
from deepsynth_tui.training.result.file_names import ADAPTER_WEIGHTS
from deepsynth_tui.training.text_encoder import ENCODER_FOLDER, PROJECTION_FILE

WEIGHTS = (ADAPTER_WEIGHTS, "model.safetensors", "model.safetensors.index.json")
STATES = ("optimizer.pt", "scheduler.pt")  # zip archives, as torch.save writes
TRAINER_STATE = "trainer_state.json"  # transformers writes it last
_NAME = re.compile(r"checkpoint-(\d+)")
_HEADER_LENGTH = 8  # bytes: the little-endian length of the JSON header of a safetensors file


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The checkpoint to resume from, and newer ones that are incomplete.

    `path` is None and `step` 0 where there is no complete checkpoint. `incomplete` pairs a
    checkpoint with what it lacks. `record` says what the run was made with so far, None in
    runs of earlier versions; `is_extended` if its last extension begins here.
    """

    path: Path | None
    step: int
    incomplete: tuple[tuple[Path, str], ...]
    record: CheckpointRecord | None = None
    is_extended: bool = False


def newest_complete(folder: Path, num_processes: int = 1) -> ResumePoint:
    """Return the complete checkpoint of the highest step among `folder`/checkpoint-<step>.

    Each of the `num_processes` ranks must have saved its random state in it.
    """
    incomplete: list[tuple[Path, str]] = []
    steps = checkpoint_steps(folder) if folder.is_dir() else {}
    for path, step in sorted(steps.items(), key=lambda item: item[1], reverse=True):
        problem = why_incomplete(path, step, num_processes)
        if problem is None:
            return ResumePoint(path, step, tuple(incomplete))
        incomplete.append((path, problem))
    return ResumePoint(None, 0, tuple(incomplete))


def checkpoint_path(folder: str, step: int) -> Path:
    """Return the folder that transformers writes the checkpoint of a step to."""
    return Path(folder) / f"checkpoint-{step}"


def checkpoint_steps(folder: Path) -> dict[Path, int]:
    """Return the checkpoints in a folder and the step of each."""
    return {
        path: int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))
    }


def why_incomplete(checkpoint: Path, step: int, num_processes: int = 1) -> str | None:
    """Return why a checkpoint cannot be resumed from, None if it can."""
    state = checkpoint / TRAINER_STATE
    try:
        saved_step = json.loads(state.read_text(encoding="utf-8"))["global_step"]
    except (OSError, ValueError, KeyError):
        return f"{TRAINER_STATE} is missing or incomplete"
    if saved_step != step:
        return f"{TRAINER_STATE} is of step {saved_step}"
    for name in (*STATES, *_random_states(num_processes)):
        if not zipfile.is_zipfile(checkpoint / name):
            return f"{name} is missing or incomplete"
    weights = [checkpoint / name for name in WEIGHTS if (checkpoint / name).is_file()]
    if not weights:
        return "it has no weights"
    encoder = checkpoint / ENCODER_FOLDER
    if encoder.is_dir() and not (encoder / PROJECTION_FILE).is_file():
        return f"{ENCODER_FOLDER}/{PROJECTION_FILE} is missing or incomplete"
    for path in (*_shards(weights[0]), *sorted(encoder.rglob("*.safetensors"))):
        if not is_complete_safetensors(path):
            return f"{path.name} is missing or incomplete"
    return None


def rotate_checkpoints(newest: Path, *, keep: int, best: Path | None) -> None:
    """Delete checkpoints until `keep` are left, but never the `newest` nor the `best`.

    Checkpoints of later steps than `newest` are deleted first: they were incomplete when the run
    resumed. Then the oldest are deleted.
    """
    steps = checkpoint_steps(newest.parent)
    order = sorted(steps, key=lambda path: (steps[path] <= steps[newest], steps[path]))
    deletable = [path for path in order if path not in (newest, best)]
    for path in deletable[: max(0, len(order) - keep)]:
        shutil.rmtree(path)


def is_complete_safetensors(path: Path) -> bool:
    """Whether the file is as long as its header says (format: hf.co/docs/safetensors)."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_HEADER_LENGTH), "little")
            if length > path.stat().st_size:
                return False
            header = json.loads(file.read(length))
    except (OSError, ValueError):
        return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return path.stat().st_size == _HEADER_LENGTH + length + max(ends, default=0)


def _random_states(num_processes: int) -> list[str]:
    if num_processes == 1:
        return ["rng_state.pth"]
    return [f"rng_state_{rank}.pth" for rank in range(num_processes)]


def _shards(weights: Path) -> list[Path]:
    if weights.suffix != ".json":
        return [weights]
    index = json.loads(weights.read_text(encoding="utf-8"))
    return [weights.parent / name for name in sorted(set(index["weight_map"].values()))]
