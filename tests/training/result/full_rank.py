"""A rank of a run, as it is, but that the GPU of the second is full at a step.

`python full_rank.py STEP RUN_PATH --reports FD ...`: the rest is what the owner gives a rank.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import torch

from deepsynth_tui.estimate.remedies import Remedy
from deepsynth_tui.training.processes import rank
from deepsynth_tui.training.trainer import DocumentTrainer
from deepsynth_tui.training.watching.forecast import Forecast
from tests.training.result.test_retry import SMALLER
from tests.training.test_advice import FULL

if __name__ == "__main__":
    full_at, *given = sys.argv[1:]
    computed = DocumentTrainer.compute_loss

    def compute_loss(self: DocumentTrainer, *inputs: Any, **named: Any) -> Any:
        """In the middle of the step, the other rank waits for our gradients."""
        if os.environ["RANK"] == "1" and self.state.global_step + 1 == int(full_at):
            raise torch.OutOfMemoryError(FULL)
        return computed(self, *inputs, **named)

    DocumentTrainer.compute_loss = compute_loss
    # As if there were a GPU that smaller batches would fit.
    remedy = Remedy(SMALLER, "1 row at once", "the result stays the same", 2**28, 0, None)
    Forecast.remedy = lambda self: remedy
    sys.exit(rank.main(given))
