"""Work in threads whose waiter, or whose screen, may go at any time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

READERS = "readers"
"""The group of Textual's workers that only read, until they are cancelled."""

_readers = ThreadPoolExecutor(thread_name_prefix="reader")
"""`asyncio.run` waits at its end for the threads of asyncio's own executor, and not for these."""


class Handover:
    """Hands what a thread has read to a screen, which may close at any time, one part at a time.

    A screen that falls behind gets one larger part instead of a queue.
    """

    def __init__(self) -> None:
        self._shown = threading.Event()
        self._closed = threading.Event()

    @property
    def is_closed(self) -> bool:
        """Whether the screen is gone."""
        return self._closed.is_set()

    def post(self, post: Callable[[], object]) -> None:
        """Call `post`, and wait until the screen has shown what it got, or is gone."""
        self._shown.clear()
        if not self.is_closed:  # looked at after `clear`, which would undo a `close` before it
            post()
            self._shown.wait()

    def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until the screen is gone."""
        self._closed.wait(seconds)

    def shown(self) -> None:
        """Let the thread go on, after what it has posted is on screen."""
        self._shown.set()

    def close(self) -> None:
        """Let the thread end."""
        self._closed.set()
        self._shown.set()


async def read_in_thread(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Run `function`, which only reads, in a thread. Quitting does not wait for its end."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_readers, partial(function, *args, **kwargs))


def in_background(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> asyncio.Future[Result]:
    """Run `function` in a thread and return a future to await through `asyncio.shield`.

    Who awaits it gets its exception. With nobody left, it is dropped: asyncio would print it with
    its traceback on the terminal when the future is deleted.
    """
    future = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    future.add_done_callback(_take_exception)
    return future


def _take_exception(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
