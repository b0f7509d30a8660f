"""Request an x-ray from a child process, which imports torch and makes the first batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepsynth_tui.child_process import ask, ask_async
from deepsynth_tui.training.xray.report import Xray

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

SERVER = "deepsynth_tui.training.xray.server"
# Imports, the processor and one batch take seconds; a run that groups or drops rows by length has
# to count the tokens of all rows first.
TIMEOUT_SECONDS = 600.0


def request_xray(config: TrainingConfig) -> Xray:
    """Return the first batch of a run. Blocks for seconds. Raises `ChildError`."""
    return Xray.from_json(ask(SERVER, **_question(config)))


async def request_xray_async(config: TrainingConfig) -> Xray:
    """Do the same without blocking. The child process ends with the task. Raises `ChildError`."""
    return Xray.from_json(await ask_async(SERVER, **_question(config)))


def _question(config: TrainingConfig) -> dict[str, Any]:
    return {
        "question": config.model_dump(mode="json"),
        "subject": "The first batch",
        "timeout": TIMEOUT_SECONDS,
        "timeout_advice": "Set data.max_train_samples to use only the beginning of a large "
        "dataset.",
    }
