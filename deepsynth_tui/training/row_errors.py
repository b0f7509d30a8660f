"""Add the ids of the rows in the batch to errors of a training or evaluation step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from deepsynth_tui.errors import UserError
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.failures.memory import is_gpu_out_of_memory
from deepsynth_tui.training.failures.processes import is_lost_connection


class BatchError(Exception):
    """An exception in the model's code with the rows of the batch; `__cause__` is the original."""


@contextlib.contextmanager
def errors_with_row_ids(row_ids: Sequence[str], step: int) -> Iterator[None]:
    """Name the rows of the batch in any exception that the block raises.

    GPU out-of-memory errors and lost connections between ranks keep their type and get the rows as
    a note: the rows are not the cause.

    Raises:
        BatchError: in place of any other exception that is no `UserError`.
    """
    where = f"at step {step}, on {', '.join(row_ids)}"
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_gpu_out_of_memory(error) or is_lost_connection(error):
            error.add_note(where)
            raise
        raise BatchError(f"The model failed {where}") from error


def non_finite_error(what: str, value: float, row_ids: Sequence[str], step: int) -> TrainingError:
    """Return the error for a loss or gradient norm that is infinite or NaN."""
    return TrainingError(
        f"The {what} became {value} at step {step}, on {', '.join(row_ids)}",
        "Lower training.learning_rate, compute in bfloat16 instead of float16, or check those "
        "rows. `train CONFIG --retry --set training.learning_rate=...` starts a run with that "
        "change; checkpoints before this step can be used.",
    )
