"""Ask for a simulation: a child process that has torch takes one step without memory."""

from __future__ import annotations

from deepsynth_tui.child_process import ChildError, ask
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.training.simulation.simulated_estimate import Simulated

JOB = "deepsynth_tui.training.simulation.server"
# A model of 3 billion parameters takes 10 to 20 seconds on one core.
TIMEOUT_SECONDS = 120


class SimulationError(ChildError):
    """The step could not be simulated. `message`: why; `advice`: what to do next."""


def simulate(
    config: TrainingConfig, dataset: RowStatistics, *, timeout: float = TIMEOUT_SECONDS
) -> Simulated:
    """Simulate a step of `config` on the longest batch of `dataset`. Blocks: seconds.

    The text encoder is not part of it. Raises `SimulationError`. Call it from a thread.
    """
    question = {"config": config.model_dump(mode="json"), "dataset": dataset.to_json()}
    try:
        answer = ask(
            JOB,
            subject=f"The simulation of {config.model.name_or_path}",
            timeout=timeout,
            timeout_advice="The calculated estimate stands; a shorter row is simulated faster.",
            question=question,
        )
    except ChildError as error:
        raise SimulationError(error.message, error.advice) from error
    return Simulated(
        allocated=answer["allocated"],
        reserved=answer["reserved"],
        least=answer["least"],
        parts=answer["parts"],
        notes=tuple(answer["notes"]),
        seconds=answer["seconds"],
    )
