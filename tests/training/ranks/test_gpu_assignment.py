"""Each process gets a GPU of its own, of those that the run may see."""

from __future__ import annotations

import dataclasses

import pytest

from deepsynth_tui.machine.nvml import Device, Probe
from deepsynth_tui.training.ranks.gpu_assignment import gpu_shortage, visible_devices

CARD = Device(0, "NVIDIA L4", "GPU-0", 24 << 30, 24 << 30, 0, None, None)
SLICE = dataclasses.replace(CARD, slice_of=0)


@pytest.mark.parametrize(
    ("stated", "processes", "seen"),
    [
        (None, 2, "0,1"),
        ("3,5,7", 2, "3,5"),
        ("GPU-a,GPU-b", 2, "GPU-a,GPU-b"),
        ("", 2, ""),
    ],
)
def test_visible(
    monkeypatch: pytest.MonkeyPatch, stated: str | None, processes: int, seen: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if stated is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
    assert visible_devices(processes) == seen


@pytest.mark.parametrize(
    ("found", "processes", "said"),
    [
        ((), 8, None),
        ((CARD,), 1, None),
        ((CARD, CARD), 2, None),
        ((CARD,), 2, "this machine shows 1"),
        ((SLICE,), 1, None),
        ((SLICE, SLICE), 2, "slices"),
        ((CARD, SLICE, SLICE), 2, "this machine shows 1"),
    ],
)
def test_missing(found: tuple[Device, ...], processes: int, said: str | None) -> None:
    lacking = gpu_shortage(processes, Probe(found))
    assert lacking is None if said is None else lacking is not None and said in lacking
