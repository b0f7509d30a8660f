"""`training.cache_features: auto` weighs passes over a page, the disk and the estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepsynth_tui.estimate.page_features import TimeShares
from deepsynth_tui.training.features.decide import DataSeconds, PageUse, decide
from deepsynth_tui.units import MIB

IDLE = DataSeconds(pixels=0.0, features=0.0, workers=0)
USE = PageUse(
    pages=100,
    missing=100,
    uses=300,
    page_bytes=MIB,
    room=1000 * MIB,
    times=TimeShares(saved=0.5, encoding=0.5),
    data=IDLE,
)


def test_pages_that_are_read_three_times_are_cached() -> None:
    decision = decide("auto", USE)
    assert decision.caches
    assert "saves 33 %" in decision.reason
    assert "each of 100 pages is read 3 times" in decision.reason
    assert "100 MiB of disk" in decision.reason


def test_a_single_pass_is_not() -> None:
    single = replace(USE, uses=100)
    decision = decide("auto", single)
    assert not decision.caches
    assert "read 1 times" in decision.reason
    assert decide("on", single).caches
    assert decide("auto", replace(single, missing=10)).caches, "an earlier run has encoded them"


def test_a_small_tower_is_not_worth_it() -> None:
    small = replace(USE, times=TimeShares(saved=0.05, encoding=0.05))
    decision = decide("auto", small)
    assert not decision.caches
    assert "saves 3 % of the time" in decision.reason
    assert decide("on", small).caches
    assert decide("auto", replace(USE, times=None)).caches, "there is no estimate"


def test_a_tower_hidden_behind_kernel_launches_is_not_worth_it() -> None:
    """A step that waits for its launches is hardly shorter, and encoding takes its time."""
    hidden = replace(USE, times=TimeShares(saved=0.08, encoding=0.25, seconds=0.1))
    assert hidden.saving() == pytest.approx(0.08 - 0.25 / 3)
    assert not decide("auto", hidden).caches


def test_pages_that_a_step_waits_for_are_worth_it() -> None:
    hidden = replace(USE, times=TimeShares(saved=0.08, encoding=0.25, seconds=0.1))
    alone = replace(hidden, data=DataSeconds(pixels=0.35, features=0.01, workers=0))
    assert alone.saving() == pytest.approx(1 - (0.092 + 0.01 + (0.025 + 0.35) / 3) / 0.45)
    few = replace(hidden, data=DataSeconds(pixels=0.35, features=0.01, workers=2))
    assert few.saving() == pytest.approx(1 - (0.092 + 0.175 / 3) / 0.175)
    enough = replace(hidden, data=DataSeconds(pixels=0.35, features=0.01, workers=8))
    assert decide("auto", few).caches
    assert not decide("auto", enough).caches


def test_a_disk_without_room_is_left_alone_or_refused() -> None:
    short = replace(USE, room=99 * MIB)
    decision = decide("auto", short)
    assert not decision.caches
    assert not decision.is_refused
    assert "need 100 MiB of disk, and 99 MiB may be used" in decision.reason
    assert decide("on", short).is_refused
    assert decide("on", replace(short, missing=99)).caches
