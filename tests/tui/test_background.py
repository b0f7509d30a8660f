"""Work in the background whose waiter has gone."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from deepsynth_tui.tui.background import in_background


async def test_who_waits_gets_the_result_or_the_exception() -> None:
    assert await asyncio.shield(in_background(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await asyncio.shield(in_background(divmod, 7, 0))


async def test_the_exception_of_abandoned_work_is_not_reported() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    go_on = threading.Event()

    def fail() -> None:
        go_on.wait()
        raise ValueError("too late")

    work = in_background(fail)
    waiter = asyncio.ensure_future(asyncio.shield(work))
    await asyncio.sleep(0)
    waiter.cancel()
    go_on.set()
    await asyncio.wait([work])
    del work, waiter
    gc.collect()
    await asyncio.sleep(0)
    assert not reported
