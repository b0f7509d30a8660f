"""What signals mean to a job: stop when convenient, stop where you stand, and never hang up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

STOP = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """Raised in a job's body where it stands, past any `except Exception`."""


class StopSignals:
    """While entered, SIGTERM and SIGINT call `ask`, and SIGHUP is ignored.

    Inside `interruptible()`, a signal that comes when `asked()` is already true raises
    Interrupted: whoever sends it has waited long enough. Only for the main thread.
    """

    def __init__(self, *, ask: Callable[[], None], asked: Callable[[], bool]) -> None:
        self._ask = ask
        self._asked = asked
        self._pid = os.getpid()
        self._interruptible = False
        # What signal.signal returns: a handler, one of its constants, or None.
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in STOP:
            self._before[number] = signal.signal(number, self._receive)
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """The part of the work that may be cut off anywhere."""
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
        elif self._interruptible and self._asked():
            self._interruptible = False
            raise Interrupted
        else:
            self._ask()
