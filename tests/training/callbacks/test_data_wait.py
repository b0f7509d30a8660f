"""A run that keeps waiting for data warns once and names the setting that helps."""

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


def test_a_lasting_wait_is_a_warning_once():
    monitor = DataWaitMonitor(num_workers=0)
    warnings = [monitor.update(0.4) for _ in range(2 * ENOUGH)]
    assert [n for n, warning in enumerate(warnings, start=1) if warning] == [ENOUGH]
    warning = warnings[ENOUGH - 1] or ""
    assert warning.startswith("Training spends 40% of the time waiting for data.")
    assert "training.dataloader_num_workers to 2" in warning
    monitor = DataWaitMonitor(num_workers=4)
    assert "to 8" in next(filter(None, map(monitor.update, [0.4] * ENOUGH)))


def test_a_slow_start_and_single_pauses_are_no_warning():
    slow_start = [0.9] * IGNORED_FIRST + [HIGH_SHARE / 2] * 20
    pauses = [0.0] * IGNORED_FIRST + [0.9, 0.0, 0.0] * 10
    for shares in (slow_start, pauses):
        monitor = DataWaitMonitor(num_workers=0)
        assert not any(monitor.update(share) for share in shares)


@pytest.mark.slow
def test_a_run_that_waits_for_data_warns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    collate = Collator.__call__

    def slow(collator: Collator, rows: Any) -> Any:
        time.sleep(0.1)  # as a slow disk or a large page would
        return collate(collator, rows)

    monkeypatch.setattr(Collator, "__call__", slow)
    ran = run(training__max_steps=ENOUGH + 1)
    (warning,) = [e.data["message"] for e in ran.of("warning") if "waiting" in e.data["message"]]
    assert "training.dataloader_num_workers to 2" in warning
