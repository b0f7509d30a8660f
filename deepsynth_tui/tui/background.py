"""Work in threads that goes on when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


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
