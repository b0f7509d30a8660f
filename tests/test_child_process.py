"""Questions to child processes that give no answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from deepsynth_tui import child_process
from deepsynth_tui.child_process import ChildError, ask, kill_children
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
        wait_until(lambda: child_process._children)
        kill_children()
        with pytest.raises(ChildError, match="exited with status -9"):
            answer.result()
    assert not child_process._children
