"""Signal handling of a job: the first signal asks it to stop, the second interrupts it.

To a batch job, SIGTERM and SIGUSR1 (`sbatch --signal`) say that Slurm takes its nodes back.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

STOP = (signal.SIGTERM, signal.SIGINT)
EVICTION = (signal.SIGTERM, signal.SIGUSR1)


class Interrupted(BaseException):
    """Raised inside a job's body, past any `except Exception`."""


class StopSignals:
    """While entered, SIGTERM and SIGINT call `request_stop`, and SIGHUP is ignored.

    Inside `interruptible()`, a signal that arrives when `is_stop_requested()` is already true
    raises `Interrupted`: the sender has waited long enough. With `evict`, that of a batch job, the
    signals of Slurm call it with their number instead. For the main thread only.
    """

    def __init__(
        self,
        *,
        request_stop: Callable[[], None],
        is_stop_requested: Callable[[], bool],
        evict: Callable[[int], None] | None = None,
    ) -> None:
        self._evict = evict
        self._request_stop = request_stop
        self._is_stop_requested = is_stop_requested
        self._pid = os.getpid()
        self._interruptible = False
        # What signal.signal returns: a handler, one of its constants, or None.
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in STOP if self._evict is None else {*STOP, *EVICTION}:
            self._previous[number] = signal.signal(number, self._receive)
        self._previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Mark the part of the work that may be interrupted anywhere."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            # A forked worker inherits this handler, but it is not the job: it must simply die
            # when its pool terminates it.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self._interruptible and self._is_stop_requested():
            self._interruptible = False
            raise Interrupted
        elif self._evict is not None and number in EVICTION:
            self._evict(number)
        else:
            self._request_stop()
