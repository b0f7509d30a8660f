"""The files with the losses on general text and pages. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from deepsynth_tui.adapters.exam.files import ExamFolder
from deepsynth_tui.runs import atomic

GENERAL_LOSSES = "general"


@dataclass(frozen=True, slots=True)
class GeneralLoss:
    """The loss of a row of the builtin set.

    Attributes:
        loss: Sum over the tokens of its answer, in nats.
        right: Tokens that are the most likely ones.
    """

    name: str
    kind: Literal["text", "page"]
    loss: float
    tokens: int
    right: int


def read_losses(folder: ExamFolder, key: str, of_set: str) -> list[GeneralLoss] | None:
    """Return the losses of a candidate on the set with this fingerprint, None if there are none."""
    try:
        content = json.loads((folder.path / GENERAL_LOSSES / f"{key}.json").read_bytes())
        if content["set"] == of_set:
            return [GeneralLoss(**row) for row in content["rows"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # or damaged: measured again
        return None
    return None


def write_losses(folder: ExamFolder, key: str, of_set: str, losses: Sequence[GeneralLoss]) -> None:
    """Write the losses of a candidate. Raises OSError."""
    target = folder.path / GENERAL_LOSSES
    target.mkdir(exist_ok=True)
    content = {"v": 1, "set": of_set, "rows": [asdict(loss) for loss in losses]}
    atomic.replace(target / f"{key}.json", json.dumps(content, indent=1).encode() + b"\n")
