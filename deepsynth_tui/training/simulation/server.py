"""Child process of a simulation: a question on stdin, its answer as one JSON object on stdout.

``{"config", "dataset"}`` gives ``{"allocated", "reserved", "least", "parts", "notes", "seconds"}``
in bytes and seconds, or ``{"message", "advice"}`` and exit status 1.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
import traceback
import warnings
from typing import Any

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.hub_config import UnknownModelError, find_hub_config

ADVICE = "The calculated estimate stands; it needs no simulation."


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Simulate what is asked for."""
    from deepsynth_tui.models.dimensions import image_dimensions
    from deepsynth_tui.training.simulation.cuda import NOTE
    from deepsynth_tui.training.simulation.simulate import simulate

    started = time.perf_counter()
    config = TrainingConfig.model_validate(question["config"])
    model = config.model
    architecture = find_hub_config(
        model.name_or_path, model.revision, trust_remote_code=model.trust_remote_code
    )
    dataset = RowStatistics.from_json(question["dataset"])
    peak = simulate(config, architecture, image_dimensions(architecture), dataset)
    return {
        "allocated": peak.allocated,
        "reserved": peak.reserved,
        "least": peak.least,
        "parts": dict(peak.parts),
        "notes": [NOTE],
        "seconds": time.perf_counter() - started,
    }


def main() -> int:
    """Print the answer on stdout. Returns the exit status."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            said, status = answer(json.load(sys.stdin)), 0
        except UnknownModelError as error:
            said, status = {"message": error.message, "advice": error.advice}, 1
        except Exception as error:  # noqa: BLE001 - the process boundary: told, and exit status 1
            traceback.print_exc()
            reason = str(error).strip().split("\n")[0]
            message = f"The step could not be simulated: {type(error).__name__}: {reason}"
            said, status = {"message": message, "advice": ADVICE}, 1
    print(json.dumps(said))  # noqa: T201 - the answer of this process
    return status


if __name__ == "__main__":
    sys.exit(main())
