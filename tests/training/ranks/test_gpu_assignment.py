"""Each rank gets one of the GPUs that the run may use."""

from __future__ import annotations

import dataclasses

import pytest

from deepsynth_tui.machine.nvml import Device, Probe
from deepsynth_tui.training.ranks.gpu_assignment import gpu_shortage, visible_devices

GPU = Device(0, "NVIDIA L4", "GPU-0", 24 << 30, 24 << 30, 0, None, None)
MIG_SLICE = dataclasses.replace(GPU, slice_of=0)


@pytest.mark.parametrize(
    ("setting", "num_processes", "visible"),
    [
        (None, 2, "0,1"),
        ("3,5,7", 2, "3,5"),
        ("GPU-a,GPU-b", 2, "GPU-a,GPU-b"),
        ("", 2, ""),
    ],
)
def test_visible_devices(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, num_processes: int, visible: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if setting is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    assert visible_devices(num_processes) == visible


@pytest.mark.parametrize(
    ("devices", "num_processes", "message"),
    [
        ((), 8, None),
        ((GPU,), 1, None),
        ((GPU, GPU), 2, None),
        ((GPU,), 2, "this machine has 1"),
        ((MIG_SLICE,), 1, None),
        ((MIG_SLICE, MIG_SLICE), 2, "slices"),
        ((GPU, MIG_SLICE, MIG_SLICE), 2, "this machine has 1"),
    ],
)
def test_gpu_shortage(devices: tuple[Device, ...], num_processes: int, message: str | None) -> None:
    shortage = gpu_shortage(num_processes, Probe(devices))
    if message is None:
        assert shortage is None
    else:
        assert message in (shortage or "")
