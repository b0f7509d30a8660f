"""Work in the background whose waiter has gone."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from deepsynth_tui.tui.background import Handover, in_background, read_in_thread


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


def test_a_thread_waits_until_its_part_is_shown() -> None:
    handover, posted = Handover(), []
    thread = threading.Thread(target=handover.post, args=(lambda: posted.append(1),))
    thread.start()
    while not posted:
        assert thread.is_alive()
    assert thread.is_alive()
    handover.shown()
    thread.join(30)
    assert not thread.is_alive()


def test_a_thread_that_posts_to_a_closed_screen_does_not_wait() -> None:
    """The interface did not end when it was left while a long log was read."""
    handover, posted = Handover(), []
    handover.close()
    thread = threading.Thread(target=handover.post, args=(lambda: posted.append(1),), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert posted == []


def test_a_screen_that_closes_lets_a_waiting_thread_go_on() -> None:
    handover = Handover()
    thread = threading.Thread(target=handover.post, args=(handover.close,), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert handover.is_closed


def test_the_end_of_the_loop_does_not_wait_for_readers() -> None:
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def read() -> None:
        started.set()
        go_on.wait(5)
        ended.set()

    async def quit_while_reading() -> None:
        reading = asyncio.ensure_future(read_in_thread(read))
        await asyncio.to_thread(started.wait)
        assert not reading.done()

    try:
        asyncio.run(quit_while_reading())
        assert not ended.is_set()
    finally:
        go_on.set()


async def test_a_reader_returns_or_raises() -> None:
    assert await read_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await read_in_thread(divmod, 7, 0)
