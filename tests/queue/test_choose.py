"""Which devices a run gets, on machines that this one is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.machine.nvml import Device
from deepsynth_tui.queue.choose import Decision, Never, Start, Wait, choose
from deepsynth_tui.queue.environment import kept_environment
from deepsynth_tui.queue.machine import Machine, QueueDevice
from deepsynth_tui.runs.queue import QueueEntry
from deepsynth_tui.units import GIB

CPU = QueueDevice("cpu", "the CPU", 16 * GIB, 8 * GIB)


def gpu(index: int, total: int = 24, free: int | None = None, **more: object) -> QueueDevice:
    left = total if free is None else free
    device = Device(
        index, "RTX 3090", f"GPU-{index}", total * GIB, left * GIB, (total - left) * GIB, None, None
    )
    made = QueueDevice(device.uuid, f"GPU {index}: RTX 3090", device.total, device.free, gpu=device)
    return replace(made, **more)


def entry(needed: int | None = 10, devices: int = 1, visible: str | None = None) -> QueueEntry:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    size = None if needed is None else needed * GIB
    return QueueEntry(
        Path(), 1.0, 0.0, "gpu", devices=devices, needed=size, environment=environment
    )


def ids(decision: Decision) -> list[str]:
    assert isinstance(decision, Start), decision
    return [device.id for device in decision.devices]


def test_the_first_free_gpu_with_room_is_taken():
    gpus = gpu(0, holder="run-a"), gpu(1, free=5), gpu(2)
    assert ids(choose(entry(), Machine(CPU, gpus))) == ["GPU-2"]
    assert ids(choose(entry(4), Machine(CPU, gpus))) == ["GPU-1"]
    assert ids(choose(entry(4, visible="2"), Machine(CPU, gpus))) == ["GPU-2"]


def test_what_waits_says_for_what():
    decision = choose(entry(), Machine(CPU, (gpu(0, holder="run-a"), gpu(1, free=5))))
    assert isinstance(decision, Wait)
    assert decision.reason == (
        "needs 10.0 GiB: run-a has GPU 0: RTX 3090, GPU 1: RTX 3090 has 5.0 GiB free"
    )
    assert decision.reserved == {"GPU-1"}


def test_a_run_without_estimate_gets_an_empty_gpu():
    assert isinstance(choose(entry(None), Machine(CPU, (gpu(0, free=20),))), Wait)
    assert ids(choose(entry(None), Machine(CPU, (gpu(0, free=23),)))) == ["GPU-0"]


def test_a_large_run_is_not_overtaken():
    machine = Machine(CPU, (gpu(0, holder="run-a"), gpu(1)))
    two = choose(entry(devices=2), machine)
    assert isinstance(two, Wait)
    assert two.reserved == {"GPU-1"}
    assert isinstance(choose(entry(), machine, two.reserved), Wait)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (entry(40), "it needs 40.0 GiB, and GPU 0: RTX 3090 has 24.0 GiB"),
        (entry(devices=3), "it needs 3 GPUs, and 2 are there"),
        (entry(20, devices=2), "it needs 20.0 GiB on 2 GPUs, and 1 of them have so much"),
    ],
)
def test_what_never_fits(wanted: QueueEntry, reason: str):
    decision = choose(wanted, Machine(CPU, (gpu(0), gpu(1, 16))))
    assert decision == Never(reason)


def test_a_gpu_run_is_not_started_on_the_cpu_of_a_broken_driver():
    decision = choose(entry(), Machine(CPU, (), "The NVIDIA driver failed."))
    assert decision == Wait("no GPU answers: The NVIDIA driver failed.")


def test_tokens_are_not_kept():
    kept = kept_environment(
        {"HF_TOKEN": "x", "HF_HOME": "/h", "WANDB_API_KEY": "x", "PATH": "/", "CUDA_HOME": "/c"}
    )
    assert kept == {"HF_HOME": "/h", "CUDA_HOME": "/c"}
