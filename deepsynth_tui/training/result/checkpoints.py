"""Which checkpoint to go on from: the newest that was written to its end."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.training.text_encoder import ENCODER_FOLDER, PROJECTION_FILE

WEIGHTS = ("adapter_model.safetensors", "model.safetensors", "model.safetensors.index.json")
STATES = ("optimizer.pt", "scheduler.pt")  # zip archives, as torch.save writes
TRAINER_STATE = "trainer_state.json"  # transformers writes it last
_NAME = re.compile(r"checkpoint-(\d+)")
_HEADER_LENGTH = 8  # bytes: the little-endian length of the JSON header of a safetensors file


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The checkpoint to resume from, None if there is none, and the torn ones passed over."""

    path: Path | None
    step: int
    torn: tuple[tuple[Path, str], ...]


def newest_complete(folder: Path, processes: int = 1) -> ResumePoint:
    """Look through `checkpoint-<step>` folders, newest step first, for one that is whole.

    Each of the `processes` that train has random state of its own in it.
    """
    found = [
        (int(match[1]), path)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name))
    ]
    torn: list[tuple[Path, str]] = []
    for step, path in sorted(found, reverse=True):
        flaw = why_incomplete(path, step, processes)
        if flaw is None:
            return ResumePoint(path, step, tuple(torn))
        torn.append((path, flaw))
    return ResumePoint(None, 0, tuple(torn))


def why_incomplete(checkpoint: Path, step: int, processes: int = 1) -> str | None:
    """Say why a checkpoint cannot be resumed from, None if it can."""
    state = checkpoint / TRAINER_STATE
    try:
        recorded = json.loads(state.read_text(encoding="utf-8"))["global_step"]
    except (OSError, ValueError, KeyError):
        return f"{TRAINER_STATE} is missing or incomplete"
    if recorded != step:
        return f"{TRAINER_STATE} is of step {recorded}"
    for name in (*STATES, *_random_states(processes)):
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


def rotate_checkpoints(written: Path, *, keep: int, best: Path | None) -> None:
    """Delete checkpoints beside the one just `written` until `keep` are left, but never that one
    nor the `best`.

    Those of later steps go first: they are torn ones that the resumed run has passed over. Then
    the oldest go.
    """
    steps = {
        path: int(match[1])
        for path in written.parent.iterdir()
        if (match := _NAME.fullmatch(path.name))
    }
    newest = steps[written]
    order = sorted(steps, key=lambda path: (steps[path] <= newest, steps[path]))
    spare = [path for path in order if path not in (written, best)]
    for path in spare[: max(0, len(order) - keep)]:
        shutil.rmtree(path)


def is_complete_safetensors(path: Path) -> bool:
    """Whether the file is as long as its own header says (format: hf.co/docs/safetensors)."""
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


def _random_states(processes: int) -> list[str]:
    if processes == 1:
        return ["rng_state.pth"]
    return [f"rng_state_{rank}.pth" for rank in range(processes)]


def _shards(weights: Path) -> list[Path]:
    if weights.suffix != ".json":
        return [weights]
    index = json.loads(weights.read_text(encoding="utf-8"))
    return [weights.parent / name for name in sorted(set(index["weight_map"].values()))]
