"""`training.cache_features: auto` weighs passes over a page, the disk and the estimate."""

from __future__ import annotations

from dataclasses import replace

from deepsynth_tui.training.features.decide import PageUse, decide
from deepsynth_tui.units import MIB

USE = PageUse(pages=100, missing=100, uses=300, page_bytes=MIB, room=1000 * MIB, tower_share=0.5)


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
    decision = decide("auto", replace(USE, tower_share=0.05))
    assert not decision.caches
    assert "saves 3 % of the time" in decision.reason
    assert decide("on", replace(USE, tower_share=0.05)).caches
    assert decide("auto", replace(USE, tower_share=None)).caches, "there is no estimate"


def test_a_disk_without_room_is_left_alone_or_refused() -> None:
    short = replace(USE, room=99 * MIB)
    decision = decide("auto", short)
    assert not decision.caches
    assert not decision.is_refused
    assert "need 100 MiB of disk, and 99 MiB may be used" in decision.reason
    assert decide("on", short).is_refused
    assert decide("on", replace(short, missing=99)).caches
