"""Questions to child processes that give no answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from deepsynth_tui import child_process
from deepsynth_tui.child_process import ChildError, ask, ask_async, kill_children
from tests.runs.conftest import Wait, wait_until

__all__ = ["wait_until"]


def test_a_program_that_ends_does_not_wait_for_an_answer(wait_until: Wait) -> None:
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(
            ask,
            "http.server",
            arguments=["0", "--bind", "127.0.0.1"],
            subject="An answer",
            timeout=600,
            timeout_advice="",
        )
        wait_until(lambda: child_process.live_children)
        kill_children()
        with pytest.raises(ChildError, match="exited with status -9"):
            answer.result()
    assert not child_process.live_children


async def test_a_cancelled_question_leaves_no_process(wait_until: Wait) -> None:
    question = ask_async(
        "http.server",
        arguments=["0", "--bind", "127.0.0.1"],
        subject="An answer",
        timeout=600,
        timeout_advice="",
    )
    task = asyncio.create_task(question)
    while not child_process.live_children:
        await asyncio.sleep(0)
    (child,) = child_process.live_children
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    wait_until(lambda: not child_process.live_children)
    assert child.returncode == -9
