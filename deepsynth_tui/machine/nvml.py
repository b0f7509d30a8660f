"""The GPUs of this machine, as the driver sees them (NVML). No driver is an answer, no error."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a GPU. `used` bytes; None where the driver does not say (in containers)."""

    pid: int
    used: int | None


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or one MIG slice of it. Memory in bytes; None where the driver does not say.

    `used` counts every process, not only ours, and what the driver keeps for itself.
    `temperature` in °C, `utilisation` in percent, `power` and its limit in watts. `index` is the
    place of the card, or that of the slice within the card `slice_of`.
    """

    index: int
    name: str
    uuid: str
    total: int
    free: int
    used: int
    temperature: int | None
    utilisation: int | None
    slice_of: int | None = None
    power: float | None = None
    power_limit: float | None = None
    processes: tuple[GpuProcess, ...] = ()

    def used_by_others(self, ours: Collection[int] = ()) -> int:
        """Bytes taken by anything but the processes with the ids `ours`.

        What the driver does not say of one of ours counts as taken by others.
        """
        known = (process.used or 0 for process in self.processes if process.pid in ours)
        return max(0, self.used - sum(known))


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found; `reason` says why nothing was, and is empty otherwise.

    `driver` is the driver's version, empty where there is none.
    """

    devices: tuple[Device, ...]
    reason: str = ""
    driver: str = ""


def probe() -> Probe:
    """Ask the driver. Takes milliseconds to a second: call it from a thread."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Probe((), f"No NVIDIA driver answers: {error}.")
    try:
        return read_devices(pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"))
    finally:
        pynvml.nvmlShutdown()


def read_devices(nvml: Any, visible: str | None = None) -> Probe:
    """Map an initialised NVML (the `pynvml` module) to devices. A card in MIG mode gives slices.

    `visible` is the value of CUDA_VISIBLE_DEVICES, where it is set: programs see no others.
    """
    try:
        driver = str(nvml.nvmlSystemGetDriverVersion())
        cards = nvml.nvmlDeviceGetCount()
        devices = [device for index in range(cards) for device in _devices_at(nvml, index)]
    except nvml.NVMLError as error:
        return Probe((), f"The NVIDIA driver failed: {error}.")
    if not devices:
        reason = (
            "The GPU is in MIG mode, but no slice of it was made (`nvidia-smi mig -cgi`)."
            if cards
            else "The NVIDIA driver sees no GPU."
        )
        return Probe((), reason, driver)
    seen = devices if visible is None else visible_devices(devices, visible)
    if not seen:
        value = f"set to {visible}" if visible else "set to nothing"
        return Probe((), f"CUDA_VISIBLE_DEVICES is {value}, which hides every GPU.", driver)
    return Probe(tuple(seen), driver=driver)


def visible_devices(devices: Sequence[Device], visible: str) -> list[Device]:
    """The devices that CUDA_VISIBLE_DEVICES leaves, in its order.

    Entries are places of cards or beginnings of UUIDs; CUDA stops at the first that names nothing
    (CUDA programming guide, "CUDA Environment Variables"). Places are counted as nvidia-smi does.
    """
    found: list[Device] = []
    for entry in (part.strip() for part in visible.split(",")):
        named = [device for device in devices if _is_named(device, entry)]
        if not named:
            break
        found += [device for device in named if device not in found]
    return found


def memory_reader(uuid: str) -> Callable[[], int | None]:
    """A function that gives the bytes in use on one device, by every process, in microseconds.

    It gives None when the driver does not answer, as after an update of the driver underneath a
    running program. The driver stays open until the process ends.
    """
    import pynvml

    def used() -> int | None:
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
        except pynvml.NVMLError:
            return None

    with contextlib.suppress(pynvml.NVMLError):  # then no call of `used` has an answer
        pynvml.nvmlInit()
    return used


def _is_named(device: Device, entry: str) -> bool:
    if entry.isdecimal():
        card = device.index if device.slice_of is None else device.slice_of
        return card == int(entry)
    return bool(entry) and device.uuid.startswith(entry)


def _devices_at(nvml: Any, index: int) -> list[Device]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    slices = _mig_handles(nvml, handle)
    if slices is None:
        return [_device(nvml, handle, index)]
    return [_device(nvml, mig, number, of=index) for number, mig in enumerate(slices)]


def _device(nvml: Any, handle: Any, index: int, of: int | None = None) -> Device:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    rates = _if_supported(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    sensor = nvml.NVML_TEMPERATURE_GPU
    return Device(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        total=memory.total,
        free=memory.free,
        used=memory.used,
        temperature=_if_supported(nvml, nvml.nvmlDeviceGetTemperature, handle, sensor),
        utilisation=None if rates is None else rates.gpu,
        slice_of=of,
        power=_watts(_if_supported(nvml, nvml.nvmlDeviceGetPowerUsage, handle)),
        power_limit=_watts(_if_supported(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
        processes=_processes(nvml, handle),
    )


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...]:
    """The processes on a device; one that computes and draws is listed by the driver twice."""
    asked = (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
    told = [process for ask in asked for process in _if_supported(nvml, ask, handle) or ()]
    return tuple(
        GpuProcess(pid, used) for pid, used in {p.pid: p.usedGpuMemory for p in told}.items()
    )


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _mig_handles(nvml: Any, handle: Any) -> list[Any] | None:
    """The slices of a card in MIG mode, None of a card that is not."""
    modes = _if_supported(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if modes is None or modes[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return None
    places = range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    found = [
        _if_supported(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
        for place in places
    ]
    return [mig for mig in found if mig is not None]


def _if_supported(nvml: Any, ask: Any, *arguments: Any) -> Any:
    """The answer, None where this card or slice has none (old cards, slices without sensors) or
    the driver keeps it from this user."""
    try:
        return ask(*arguments)
    except (
        nvml.NVMLError_NotSupported,
        nvml.NVMLError_NotFound,
        nvml.NVMLError_InvalidArgument,
        nvml.NVMLError_NoPermission,
    ):
        return None
