"""What the driver says of a box, as values; the driver here is a stand-in, there is no GPU."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.machine.nvml import GpuProcess, memory_reader, read_devices, visible_devices


class Failed(Exception):
    """What the driver answers when something is wrong with it."""


class Unsupported(Failed):
    """What an old card answers."""


class Nvml:
    """An NVML with three cards: a plain one, one cut into two MIG slices, one without sensors."""

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

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, place: int) -> str:
        if place >= self.slices:
            raise Unsupported
        return f"{handle}-mig{place}"

    def _of_card0(self, handle: str, answer: Any) -> Any:
        if handle != "card0":
            raise Unsupported
        return answer


def test_cards_and_slices_are_mapped():
    found = read_devices(Nvml())
    card, *slices, bare = found.devices
    assert (found.driver, found.reason) == ("580.159.03", "")
    assert (card.name, card.index, card.slice_of) == ("NVIDIA card0", 0, None)
    assert (card.total, card.free, card.used) == (100, 60, 40)
    assert (card.temperature, card.utilisation) == (55, 97)
    assert (card.power, card.power_limit) == (312.5, 400.0)
    assert [(one.index, one.slice_of) for one in slices] == [(0, 1), (1, 1)]
    assert slices[0].temperature is None
    assert (bare.index, bare.temperature, bare.power, bare.processes) == (2, None, None, ())


def test_processes_are_listed_once():
    card = read_devices(Nvml()).devices[0]
    assert card.processes == (GpuProcess(7, 25), GpuProcess(8, None))


@pytest.mark.parametrize(
    ("visible", "seen"),
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
def test_cuda_sees_what_the_environment_leaves(visible: str, seen: list[str]):
    assert [device.uuid for device in read_devices(Nvml(), visible).devices] == seen


@pytest.mark.parametrize(("visible", "said"), [("", "nothing"), ("-1", "-1"), ("7", "7")])
def test_hidden_cards_are_not_offered(visible: str, said: str):
    found = read_devices(Nvml(), visible)
    assert found.devices == ()
    assert f"CUDA_VISIBLE_DEVICES is set to {said}, which hides every GPU" in found.reason


@pytest.mark.parametrize(
    ("nvml", "said"),
    [
        (lambda: Nvml(cards=0), "finds no GPU"),
        (lambda: SlicedCard(slices=0), "MIG mode"),
        (lambda: LostCard(), "failed: the GPU is lost"),
    ],
    ids=["none", "no slice", "lost"],
)
def test_no_device_says_why(nvml: Callable[[], Nvml], said: str):
    found = read_devices(nvml())
    assert found.devices == ()
    assert said in found.reason


class SlicedCard(Nvml):
    """One card, in MIG mode."""

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetMigMode(self, handle: str) -> tuple[int, int]:
        return (1, 1)


class LostCard(Nvml):
    """A card that fell off the bus."""

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:
        raise Failed("the GPU is lost")


def test_a_device_that_no_driver_knows_tells_nothing():
    used = memory_reader("GPU-that-is-not-there")
    assert used() is None


def test_nothing_is_chosen_from_nothing():
    assert visible_devices((), "0") == []


@pytest.mark.parametrize(
    ("name", "gib", "known"),
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
def test_a_device_is_recognised_in_the_catalogue(name: str, gib: float, known: str | None):
    found = match_gpu(name, int(gib * 2**30), load_catalogue())
    assert (found.name if found else None) == known
