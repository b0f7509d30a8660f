"""Times, sizes, states and causes in words."""

from __future__ import annotations

from typing import get_args

import pytest

from deepsynth_tui.runs.summary import StateName
from deepsynth_tui.tui.run_view import labels
from deepsynth_tui.tui.run_view.crash_cause import likely_cause


def test_every_state_has_a_symbol_and_a_word_of_its_own():
    assert set(labels.STATES) == set(get_args(StateName))
    assert len({(w.symbol, w.word) for w in labels.STATES.values()}) == len(labels.STATES)
    assert len({w.word for w in labels.STATES.values()}) == len(labels.STATES)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "under 10 s"), (19.9, "10 s"), (60, "1 min"), (3599, "59 min"), (7260, "2 h 01 min")],
)
def test_elapsed_is_coarse(seconds: float, said: str):
    assert labels.elapsed(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (4000, "1 h 07 min")],
)
def test_a_duration_is_exact(seconds: float, said: str):
    assert labels.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "5 s"), (41, "45 s"), (61, "1 min 30 s"), (119, "2 min"), (5000, "1 h 24 min")],
)
def test_an_estimate_is_no_finer_than_it_is(seconds: float, said: str):
    assert labels.remaining(seconds) == said


def test_paces_below_one_are_turned_around():
    assert labels.pace(2.5, "steps") == "2.5 steps/s"
    assert labels.pace(0.25, "steps") == "4.0 s per step"


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["torch.OutOfMemoryError: CUDA out of memory."], "GPU ran out of memory"),
        (["x", "RuntimeError: DefaultCPUAllocator: can't allocate"], "machine ran out of memory"),
        (["OSError: [Errno 28] No space left on device"], "disk is full"),
        (["Fatal Python error: Segmentation fault", "File x"], "Native code crashed"),
        (["ModuleNotFoundError: No module named 'x'"], "doctor"),
        (["Traceback", "ValueError: odd"], "ended with ValueError: odd"),
        (["step 1", "step 2"], "ended from outside"),
        ([], "ended from outside"),
        (["CUDA out of memory", "No space left on device"], "disk is full"),
    ],
)
def test_the_likely_cause_of_a_silent_end(lines: list[str], cause: str):
    assert cause in likely_cause(lines)


def test_a_killed_process_is_told_by_what_the_kernel_knows():
    known = likely_cause(["step 1"], killed_for_memory=True, host_memory="30.1 GB")
    assert "The kernel killed it: the machine or its container ran out of main memory" in known
    assert "last held 30.1 GB" in known
    assert "not for lack of main memory" in likely_cause([], killed_for_memory=False)
    assert "possibly for lack of main memory" in likely_cause([])
    told = likely_cause(["Segmentation fault"], killed_for_memory=True)
    assert "Native code crashed" in told
