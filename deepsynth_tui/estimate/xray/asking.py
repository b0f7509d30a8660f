"""Ask for an x-ray: a child process that has torch makes the first batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepsynth_tui.estimate.child import ask, ask_until_cancelled
from deepsynth_tui.estimate.xray.seen import Xray

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

JOB = "deepsynth_tui.training.xray.job"
# Imports, the processor and one batch take seconds; a run that groups or drops rows by length has
# to count all of them first.
TIMEOUT_SECONDS = 600.0


def request(config: TrainingConfig) -> Xray:
    """Return the first batch of a run. Blocks: seconds. Raises `ChildError`."""
    return Xray.from_json(ask(JOB, **_question(config)))


async def request_until_cancelled(config: TrainingConfig) -> Xray:
    """The same; the child process ends with the task. Raises `ChildError`."""
    return Xray.from_json(await ask_until_cancelled(JOB, **_question(config)))


def _question(config: TrainingConfig) -> dict[str, Any]:
    return {
        "about": "The first batch",
        "timeout": TIMEOUT_SECONDS,
        "if_late": "Set data.max_train_samples to look at the beginning of a large dataset.",
        "given": config.model_dump_json(),
    }
