"""DataWaitMonitor for data: told once, when it lasts, with the setting that helps."""

from __future__ import annotations

import time
from typing import Any

import pytest

from deepsynth_tui.training.callbacks.data_wait import (
    HIGH_SHARE,
    IGNORED_FIRST,
    WINDOW,
    DataWaitMonitor,
)
from deepsynth_tui.training.data.collator import Collator
from tests.training.conftest import Run

ENOUGH = IGNORED_FIRST + WINDOW


def test_what_lasts_is_told_once():
    waiting = DataWaitMonitor(workers=0)
    said = [waiting.hear(0.4) for _ in range(2 * ENOUGH)]
    assert [place for place, one in enumerate(said, start=1) if one] == [ENOUGH]
    told = said[ENOUGH - 1] or ""
    assert told.startswith("40% of the time")
    assert "training.dataloader_num_workers to 2" in told
    assert "to 8" in (next(filter(None, map(DataWaitMonitor(workers=4).hear, [0.4] * ENOUGH)), ""))


def test_a_slow_start_and_stray_pauses_are_not():
    slow_start = [0.9] * IGNORED_FIRST + [HIGH_SHARE / 2] * 20
    stray = [0.0] * IGNORED_FIRST + [0.9, 0.0, 0.0] * 10
    for shares in (slow_start, stray):
        waiting = DataWaitMonitor(workers=0)
        assert not any(waiting.hear(share) for share in shares)


@pytest.mark.slow
def test_a_run_that_waits_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    collate = Collator.__call__

    def slow(collator: Collator, rows: Any) -> Any:
        time.sleep(0.1)  # a disk or a page that takes its time
        return collate(collator, rows)

    monkeypatch.setattr(Collator, "__call__", slow)
    ran = run(training__max_steps=ENOUGH + 1)
    (told,) = [e.data["message"] for e in ran.of("warning") if "waiting" in e.data["message"]]
    assert "training.dataloader_num_workers to 2" in told
