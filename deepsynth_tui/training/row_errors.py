"""What goes wrong in a step, told with the rows that were in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.failures.memory import is_gpu_out_of_memory
from deepsynth_tui.training.failures.processes import is_lost_connection


class BatchError(Exception):
    """An exception in the model's own code, on known rows; `__cause__` is what was raised."""


@contextlib.contextmanager
def errors_with_row_ids(rows: Sequence[str], step: int) -> Iterator[None]:
    """Say of an exception in the block which rows the batch held.

    Raises:
        BatchError: in place of what is not known already. A GPU out of memory and processes that
            lost each other stay what they are, since that is no fault of a row, with a note.
    """
    told = f"at step {step}, on {', '.join(rows)}"
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        if is_gpu_out_of_memory(error) or is_lost_connection(error):
            error.add_note(told)
            raise
        raise BatchError(f"The model failed {told}") from error


def non_finite_error(what: str, value: float, rows: Sequence[str], step: int) -> TrainingError:
    """The error of a loss or gradient that no step can be made of."""
    return TrainingError(
        f"The {what} became {value} at step {step}, on {', '.join(rows)}",
        "Lower training.learning_rate, or compute in bfloat16 instead of float16; look at those "
        "rows. `train CONFIG --retry --set training.learning_rate=...` starts a run with that "
        "change; checkpoints before this step are whole.",
    )
