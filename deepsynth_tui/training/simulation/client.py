"""Request a simulated training step from a child process, which imports torch."""

from __future__ import annotations

from deepsynth_tui.child_process import ChildError, ask
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.training.simulation.simulated_estimate import SimulatedMemory

SERVER = "deepsynth_tui.training.simulation.server"
# A model of 3 billion parameters takes 10 to 20 seconds on one core.
TIMEOUT_SECONDS = 120


class SimulationError(ChildError):
    """The step could not be simulated."""


def request_simulation(
    config: TrainingConfig,
    dataset: RowStatistics,
    *,
    cached_features: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> SimulatedMemory:
    """Simulate a step of `config` on the longest batch of `dataset`, without the text encoder.

    `cached_features` says whether pages have features (`Estimate.page_features`). Blocks for
    seconds, so call it from a thread.

    Raises:
        SimulationError: the model is unknown, or its code cannot run on fake tensors.
    """
    question = {
        "config": config.model_dump(mode="json"),
        "dataset": dataset.to_json(),
        "cached_features": cached_features,
    }
    try:
        answer = ask(
            SERVER,
            question,
            subject=f"The simulation of {config.model.name_or_path}",
            timeout=timeout,
            timeout_advice="The calculated estimate still holds; a shorter row is simulated "
            "faster.",
        )
    except ChildError as error:
        raise SimulationError(error.message, error.advice) from error
    return SimulatedMemory(**{**answer, "notes": tuple(answer["notes"])})
