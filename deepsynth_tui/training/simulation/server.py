"""Child process that simulates a training step; see `deepsynth_tui.child_process`.

The question is ``{"config", "dataset", "cached_features"}``, the answer ``{"allocated",
"reserved", "min_capacity", "parts", "notes", "seconds"}`` in bytes and seconds.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from typing import Any

from deepsynth_tui.child_process import serve
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.hub_config import find_hub_config

ADVICE = "The calculated estimate still holds; it needs no simulation."


def _answer(question: Any) -> dict[str, Any]:
    from deepsynth_tui.models.dimensions import image_dimensions
    from deepsynth_tui.training.simulation.cuda_emulation import EMULATION_NOTE
    from deepsynth_tui.training.simulation.simulate import simulate_step

    started = time.perf_counter()
    config = TrainingConfig.model_validate(question["config"])
    model = config.model
    hub_config = find_hub_config(
        model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code
    )
    dataset = RowStatistics.from_json(question["dataset"])
    memory = simulate_step(
        config,
        hub_config,
        image_dimensions(hub_config),
        dataset,
        cached_features=question["cached_features"],
    )
    return {
        "allocated": memory.allocated,
        "reserved": memory.reserved,
        "min_capacity": memory.min_capacity,
        "parts": dict(memory.by_category),
        "notes": [EMULATION_NOTE],
        "seconds": time.perf_counter() - started,
    }


def _explain(error: Exception) -> UserError:
    reason = str(error).strip().split("\n")[0]
    message = f"The step could not be simulated: {type(error).__name__}: {reason}"
    return UserError(message, ADVICE)


def main() -> int:
    """Answer the question on stdin and return the exit status."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    return serve(_answer, explain=_explain)


if __name__ == "__main__":
    sys.exit(main())
