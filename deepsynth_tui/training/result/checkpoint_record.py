"""What a checkpoint was made with: the configuration, and how the run was extended before.

Standard library and settings only: `workflows` reads it before a job is started.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deepsynth_tui.config.load import load_record
from deepsynth_tui.config.resume_training import differences
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.json_file import BadContent, Fields, read_object

RECORD = "deepsynth_checkpoint.json"
VERSION = 2
CHECKSUMS_SINCE = 2
"""The first version whose checkpoints have checksums; one without them is incomplete."""
LENGTH_KEYS = ("training.max_steps", "training.num_train_epochs")


@dataclass(frozen=True, slots=True)
class Extension:
    """A change of the length of a run: at `step`, from `before` to `after`, and its schedule."""

    step: int
    before: str
    after: str
    schedule: str


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """The configuration that wrote a checkpoint, and the extensions of its run up to then.

    `init_from` is the lineage of the adapter that the run started from, None without one.
    `version` is that of the program which wrote the checkpoint.
    """

    config: TrainingConfig
    extensions: tuple[Extension, ...] = ()
    init_from: Mapping[str, Any] | None = None
    version: int = VERSION

    def write(self, folder: Path) -> None:
        """Write the record into the folder of a checkpoint."""
        content = {
            "v": VERSION,
            "config": self.config.model_dump(mode="json"),
            "extensions": [asdict(extension) for extension in self.extensions],
            "init_from": self.init_from,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / RECORD).write_text(text, encoding="utf-8")

    def continued(self, config: TrainingConfig, step: int) -> CheckpointRecord:
        """Return the record of a run that continues at `step` with `config`."""
        changed = differences(self.config, config)
        lengths = [key for key in LENGTH_KEYS if key in changed]
        if not lengths:
            return replace(self, config=config)
        former, new = (
            ", ".join(f"{key}: {changed[key][side]}" for key in lengths) for side in (0, 1)
        )
        extension = Extension(step, former, new, schedule_note(config))
        return replace(self, config=config, extensions=(*self.extensions, extension))


def read_record(checkpoint: Path) -> CheckpointRecord | None:
    """Return the record in a checkpoint; None in one of an earlier version.

    Raises:
        BadContent: the record is damaged, or of a version with other settings.
        OSError: it cannot be read.
    """
    try:
        content = read_object(checkpoint / RECORD)
    except FileNotFoundError:
        return None
    try:
        return CheckpointRecord(
            config=load_record(content["config"]),
            extensions=tuple(Extension(**extension) for extension in content["extensions"]),
            init_from=content["init_from"],
            version=Fields(content, RECORD).integer("v"),
        )
    except (KeyError, TypeError):
        raise BadContent(f"{RECORD} is incomplete") from None
    except ValidationError:
        raise BadContent(f"{RECORD} holds settings that this version does not know") from None


def schedule_note(config: TrainingConfig) -> str:
    """Return what the learning-rate schedule of an extended run does, as transformers resumes it.

    transformers makes the schedule anew for the new total and goes on at the step of the
    checkpoint: nothing restarts, but a schedule that had ended rises again.
    """
    kind = config.training.lr_scheduler_type
    if kind in ("constant", "constant_with_warmup", "inverse_sqrt"):
        return f"the {kind} schedule goes on unchanged"
    return (
        f"the {kind} schedule spans all steps, former and new: the learning rate goes on from its "
        "value at this step of the longer schedule, above the one it had ended with"
    )
