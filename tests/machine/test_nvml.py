"""The devices that NVML reports, read from a fake NVML without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from deepsynth_tui.estimate.report_text import gpus_text
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.machine.nvml import (
    GpuProcess,
    Sensors,
    memory_reader,
    read_devices,
    read_sensors,
    visible_devices,
)


class Failed(Exception):
    """An NVML error."""


class Unsupported(Failed):
    """The error of a card that lacks a function."""


class Nvml:
    """A fake NVML with a plain card, a card with two MIG slices and a card without sensors."""

    NVMLError = Failed
    NVMLError_NotSupported = NVMLError_NotFound = NVMLError_InvalidArgument = Unsupported
    NVMLError_NoPermission = Unsupported
    NVML_TEMPERATURE_GPU = 0
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, cards: int = 3, slices: int = 2) -> None:
        self.cards = cards
        self.slices = slices

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.159.03"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 13000

    def nvmlDeviceGetCount(self) -> int:
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"card{index}"

    def nvmlDeviceGetName(self, handle: str) -> str:
        return f"NVIDIA {handle}"

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return f"MIG-{handle}" if "mig" in handle else f"GPU-{handle}-uuid"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        return SimpleNamespace(total=100, free=60, used=40)

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        return self._of_card0(handle, 55)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:
        return self._of_card0(handle, SimpleNamespace(gpu=97))

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return self._of_card0(handle, 312_500)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:
        return self._of_card0(handle, 400_000)

    def nvmlDeviceGetCudaComputeCapability(self, handle: str) -> tuple[int, int]:
        return self._of_card0(handle, (7, 5))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[SimpleNamespace]:
        own = SimpleNamespace(pid=7, usedGpuMemory=25)
        hidden = SimpleNamespace(pid=8, usedGpuMemory=None)
        return self._of_card0(handle, [own, hidden])

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: str) -> list[SimpleNamespace]:
        return self._of_card0(handle, [SimpleNamespace(pid=7, usedGpuMemory=25)])

    def nvmlDeviceGetMigMode(self, handle: str) -> tuple[int, int]:
        if handle != "card1":
            raise Unsupported
        return (1, 1)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, index: int) -> str:
        if index >= self.slices:
            raise Unsupported
        return f"{handle}-mig{index}"

    def _of_card0(self, handle: str, value: Any) -> Any:
        if handle != "card0":
            raise Unsupported
        return value


def test_cards_and_slices_become_devices():
    probe = read_devices(Nvml())
    card, *slices, no_sensors = probe.devices
    assert (probe.driver, probe.driver_cuda, probe.reason) == ("580.159.03", (13, 0), "")
    assert (card.name, card.index, card.slice_of) == ("NVIDIA card0", 0, None)
    assert (card.total, card.free, card.used) == (100, 60, 40)
    assert (card.temperature, card.utilisation) == (55, 97)
    assert (card.power, card.power_limit) == (312.5, 400.0)
    assert (card.compute_capability, card.lacks_bfloat16) == ((7, 5), True)
    assert (no_sensors.compute_capability, no_sensors.lacks_bfloat16) == (None, False)
    assert [(mig.index, mig.slice_of) for mig in slices] == [(0, 1), (1, 1)]
    assert slices[0].temperature is None
    assert (no_sensors.index, no_sensors.temperature) == (2, None)
    assert (no_sensors.power, no_sensors.processes) == (None, ())


def test_processes_are_listed_once():
    card = read_devices(Nvml()).devices[0]
    assert card.processes == (GpuProcess(7, 25), GpuProcess(8, None))


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        ("0", ["GPU-card0-uuid"]),
        ("2,0", ["GPU-card2-uuid", "GPU-card0-uuid"]),
        ("1", ["MIG-card1-mig0", "MIG-card1-mig1"]),
        ("GPU-card2", ["GPU-card2-uuid"]),
        ("MIG-card1-mig1", ["MIG-card1-mig1"]),
        ("0, 9, 2", ["GPU-card0-uuid"]),
        ("0,0", ["GPU-card0-uuid"]),
    ],
)
def test_cuda_visible_devices_selects_devices(visible: str, uuids: list[str]):
    assert [device.uuid for device in read_devices(Nvml(), visible).devices] == uuids


@pytest.mark.parametrize(("visible", "shown"), [("", "nothing"), ("-1", "-1"), ("7", "7")])
def test_hidden_cards_are_left_out_with_a_reason(visible: str, shown: str):
    probe = read_devices(Nvml(), visible)
    assert probe.devices == ()
    assert probe.hidden
    assert f"CUDA_VISIBLE_DEVICES is set to {shown}, which hides every GPU" in probe.reason


@pytest.mark.parametrize(
    ("nvml", "message", "failed"),
    [
        (lambda: Nvml(cards=0), "finds no GPU", False),
        (lambda: SlicedCard(slices=0), "MIG mode", True),
        (lambda: LostCard(), "GPU 0 does not answer: the GPU is lost", True),
    ],
    ids=["none", "no slice", "lost"],
)
def test_a_probe_without_devices_has_a_reason(nvml: Callable[[], Nvml], message: str, failed: bool):
    probe = read_devices(nvml())
    assert (probe.devices, probe.failed) == ((), failed)
    assert message in probe.reason


class SlicedCard(Nvml):
    """A fake NVML with one card in MIG mode."""

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetMigMode(self, handle: str) -> tuple[int, int]:
        return (1, 1)


class LostCard(Nvml):
    """A fake NVML with a card that no longer responds."""

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        raise Failed("the GPU is lost")


def test_the_memory_of_an_unknown_device_is_none():
    used = memory_reader("GPU-that-is-not-there")
    assert used() is None


def test_no_devices_are_visible_without_devices():
    assert visible_devices((), "0") == []


@pytest.mark.parametrize(
    ("name", "gib", "expected"),
    [
        ("NVIDIA A100-SXM4-80GB", 79.2, "A100 (80GB)"),
        ("NVIDIA A100-PCIE-40GB", 39.5, "A100 (40GB)"),
        ("NVIDIA GeForce RTX 3090", 23.7, "RTX 3090 (24GB)"),
        ("Tesla T4", 14.6, "T4 (16GB)"),
        ("Tesla V100-SXM2-32GB", 31.7, "V100 (32GB)"),
        ("NVIDIA H200", 139.8, "H200 (141GB)"),
        ("NVIDIA L40S", 44.4, "L40S (48GB)"),
        ("NVIDIA GeForce RTX 3090 Ti", 23.7, None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 15.7, None),
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", 39.4, None),
        ("NVIDIA A10G", 22.1, None),
        ("NVIDIA GB10", 119.0, None),
    ],
)
def test_a_device_is_matched_to_the_catalogue(name: str, gib: float, expected: str | None):
    gpu = match_gpu(name, int(gib * 2**30), load_catalogue())
    assert (gpu.name if gpu else None) == expected


def test_lost_card_does_not_hide_the_others():
    class Lost(Nvml):
        def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
            if handle == "card0":
                raise Failed("GPU is lost")
            return super().nvmlDeviceGetMemoryInfo(handle)

    probe = read_devices(Lost())
    assert [device.uuid for device in probe.devices][-1] == "GPU-card2-uuid"
    assert probe.reason == "GPU 0 does not answer: GPU is lost."
    assert "GPU 0 does not answer" in gpus_text(probe, ())
    assert "GPU 0 does not answer" in read_devices(Lost(cards=1)).reason


def test_name_of_any_bytes():
    class Odd(Nvml):
        def nvmlDeviceGetName(self, handle: str) -> str:
            return b"NVIDIA \xff".decode()

    assert read_devices(Odd()).devices[0].name == "NVIDIA \ufffd"


def test_sensors_that_a_device_lacks_are_none():
    driver = Nvml()
    assert read_sensors(driver, "card0") == Sensors(100, 97, 312.5, 400.0, 55)
    assert read_sensors(driver, "card1") == Sensors(total=100)
