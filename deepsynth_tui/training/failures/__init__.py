"""Explain errors: what happened, and what to do next. Each module knows one kind of problem."""

from __future__ import annotations

from collections.abc import Callable

from deepsynth_tui.errors import UserError, note_arguments, noted_arguments
from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.failures.chain import causes, message_of
from deepsynth_tui.training.failures.disk import explain_disk_error
from deepsynth_tui.training.failures.files import explain_loading_error
from deepsynth_tui.training.failures.gpus import explain_gpu_error
from deepsynth_tui.training.failures.hub import explain_hub_error
from deepsynth_tui.training.failures.memory import explain_out_of_memory
from deepsynth_tui.training.failures.pickles import explain_refused_pickle
from deepsynth_tui.training.failures.processes import (
    explain_lost_connection,
    explain_lost_worker,
)
from deepsynth_tui.training.failures.settings import explain_unsupported_setting
from deepsynth_tui.training.failures.trackers import explain_tracker_error

SEE_LOG = "The traceback is in console.log."


class TrainingError(UserError):
    """A problem with model, dataset or settings that ends the run; `advice` says what to do.

    If a DataLoader worker raises it, the arguments come back from the text of its traceback.
    """

    def __init__(self, message: str, advice: str | None = None, key: str = "") -> None:
        arguments = noted_arguments(message) if advice is None else (message, advice, key)
        super().__init__(*arguments)
        note_arguments(self)


def explain(error: BaseException) -> Failure:
    """Describe an exception for the user.

    Libraries wrap a specific error in a general one, so the whole chain of causes is searched.
    """
    chain = list(causes(error))
    for explain_problem in _EXPLANATIONS:
        for cause in chain:
            if (advice := explain_problem(cause)) is not None:
                message = message_of(error)
                if cause is not error:
                    message = f"{message} ({message_of(cause)})"
                return Failure(type(cause).__name__, message, advice)
    return Failure(type(error).__name__, message_of(error), SEE_LOG)


def explain_as_user_error(error: BaseException) -> UserError:
    """Describe an exception as the `UserError` that `child_process.serve` sends to its client."""
    failure = explain(error)
    return UserError(failure.message, failure.advice)


def _advice_of_user_error(error: BaseException) -> str | None:
    return (error.advice or None) if isinstance(error, UserError) else None


# Each returns advice for its kind of problem, None for any other error. The first answer counts.
_EXPLANATIONS: tuple[Callable[[BaseException], str | None], ...] = (
    _advice_of_user_error,
    explain_out_of_memory,
    explain_disk_error,
    explain_tracker_error,
    explain_gpu_error,
    explain_lost_connection,
    explain_lost_worker,
    explain_hub_error,
    explain_refused_pickle,
    explain_loading_error,
    explain_unsupported_setting,
)
