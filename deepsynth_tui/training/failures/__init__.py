"""Errors in words: what happened, and what to do next. Each module knows one kind of problem."""

from __future__ import annotations

from collections.abc import Callable

from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.failures import (
    disk,
    files,
    gpus,
    hub,
    memory,
    processes,
    settings,
    trackers,
)
from deepsynth_tui.training.failures.chain import causes, said

SEE_LOG = "The traceback is in console.log."


class TrainingError(Exception):
    """Something about model, dataset or settings that ends the run; `advice` says what to do.

    What a process that loads data raises, torch raises again with the text of the traceback alone,
    which ends with both.
    """

    def __init__(self, message: str, advice: str | None = None) -> None:
        if advice is None:
            message, _, advice = message.rpartition("TrainingError: ")[2].strip().partition("\n")
        super().__init__(message)
        self.advice = advice
        self.add_note(advice)


def explain(error: BaseException) -> Failure:
    """Say what an exception means to the person, from it and from what caused it.

    Libraries wrap the telling error in general ones, so the whole chain is looked at.
    """
    chain = list(causes(error))
    for known in _KNOWN:
        for cause in chain:
            if (advice := known(cause)) is not None:
                told = said(error) if cause is error else f"{said(error)} ({said(cause)})"
                return Failure(type(cause).__name__, told, advice)
    return Failure(type(error).__name__, said(error), SEE_LOG)


def _ours(error: BaseException) -> str | None:
    return error.advice if isinstance(error, TrainingError) else None


_KNOWN: tuple[Callable[[BaseException], str | None], ...] = (
    _ours,
    memory.advice,
    disk.advice,
    trackers.advice,
    gpus.advice,
    processes.advice,
    hub.advice,
    files.advice,
    settings.advice,
)
