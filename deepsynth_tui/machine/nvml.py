"""The GPUs of this machine, read through NVML. A missing driver gives a reason, not an error."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a GPU and its memory in bytes, None where the driver hides it (containers)."""

    pid: int
    used: int | None


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or a MIG device of it. Memory in bytes; None for what the driver does not report.

    `used` includes every process and the driver's own memory. `temperature` is in °C, `utilisation`
    in percent, `power` and `power_limit` in watts. `index` is NVML's index of the card, or the
    index of the MIG device within the card `slice_of`. `compute_capability` is (major, minor).
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
    compute_capability: tuple[int, int] | None = None

    @property
    def lacks_bfloat16(self) -> bool:
        """Whether the chip is known to compute bfloat16 by emulation only (before Ampere)."""
        return self.compute_capability is not None and self.compute_capability < (8, 0)


@dataclass(frozen=True, slots=True)
class Probe:
    """The GPUs that programs see.

    Attributes:
        devices: The GPUs, those that CUDA_VISIBLE_DEVICES selects where it is set.
        reason: Why there are none, or which of them do not answer; else empty.
        driver: The version of the driver, empty without one.
        driver_cuda: The newest CUDA version that the driver supports.
        hidden: Whether CUDA_VISIBLE_DEVICES hides every GPU.
        failed: Whether there is a driver that makes no GPU available.
    """

    devices: tuple[Device, ...]
    reason: str = ""
    driver: str = ""
    driver_cuda: tuple[int, int] | None = None
    hidden: bool = False
    failed: bool = False


def device_label(device: Device) -> str:
    """Return the name of a GPU of this machine with its index, which makes it unique."""
    index = f"{device.slice_of}.{device.index}" if device.slice_of is not None else device.index
    return f"GPU {index}: {device.name}"


def probe() -> Probe:
    """Query the driver. Blocks for milliseconds to a second: call it from a thread."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        failed = getattr(error, "value", None) not in absent
        return Probe((), f"The NVIDIA driver is not available: {error}.", failed=failed)
    try:
        return read_devices(pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"))
    finally:
        pynvml.nvmlShutdown()


def read_devices(nvml: Any, visible: str | None = None) -> Probe:
    """Read the devices of an initialised NVML (the `pynvml` module).

    A card in MIG mode is replaced by its MIG devices. `visible` is the value of
    CUDA_VISIBLE_DEVICES, None where it is not set. A card that does not answer (lost from the bus,
    or in a reset) is left out and named in the reason.
    """
    devices: list[Device] = []
    lost: list[str] = []
    try:
        driver = _text(nvml.nvmlSystemGetDriverVersion)
        cuda = _if_supported(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)
        cards = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return Probe((), f"The NVIDIA driver failed: {error}.", failed=True)
    driver_cuda = None if cuda is None else (cuda // 1000, cuda % 1000 // 10)
    for index in range(cards):
        try:
            devices += _devices_at(nvml, index)
        except nvml.NVMLError as error:
            lost.append(f"GPU {index} does not answer: {error}.")
    if not devices and lost:
        return Probe((), " ".join(lost), driver, driver_cuda, failed=True)
    if not devices:
        reason = (
            "The GPU is in MIG mode but has no MIG device. Create one with `nvidia-smi mig -cgi`."
            if cards
            else "The NVIDIA driver finds no GPU."
        )
        return Probe((), reason, driver, driver_cuda, failed=cards > 0)
    selected = devices if visible is None else visible_devices(devices, visible)
    if not selected:
        value = f"set to {visible}" if visible else "set to nothing"
        reason = f"CUDA_VISIBLE_DEVICES is {value}, which hides every GPU."
        return Probe((), reason, driver, driver_cuda, hidden=True)
    return Probe(tuple(selected), " ".join(lost), driver, driver_cuda)


def visible_devices(devices: Sequence[Device], visible: str) -> list[Device]:
    """Return the devices that CUDA_VISIBLE_DEVICES selects, in its order.

    Entries are indices of cards or prefixes of UUIDs; CUDA stops at the first invalid entry (CUDA
    programming guide, "CUDA Environment Variables"). Indices are those of nvidia-smi.
    """
    selected: list[Device] = []
    for entry in (part.strip() for part in visible.split(",")):
        matches = [device for device in devices if _matches(device, entry)]
        if not matches:
            break
        selected += [device for device in matches if device not in selected]
    return selected


@dataclass(frozen=True, slots=True)
class Sensors:
    """What a GPU reports at one moment; None for what it does not (old cards, MIG devices).

    `total` is its memory in bytes, `utilisation` the percentage of time in which a kernel ran,
    `power` and `power_limit` are in watts, `temperature` in °C.
    """

    total: int | None = None
    utilisation: int | None = None
    power: float | None = None
    power_limit: float | None = None
    temperature: int | None = None


def sensor_reader(uuid: str) -> Callable[[], Sensors]:
    """Return a function that reads the sensors of a device, in about a millisecond.

    Every value is None when the driver does not answer. NVML stays initialised until the process
    ends.
    """
    import pynvml

    def read() -> Sensors:
        try:
            return read_sensors(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError:
            return Sensors()

    with contextlib.suppress(pynvml.NVMLError):  # `read` then returns no value
        pynvml.nvmlInit()
    return read


def read_sensors(nvml: Any, handle: Any) -> Sensors:
    """Read the sensors of a device of an initialised NVML (the `pynvml` module)."""
    rates = _if_supported(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    return Sensors(
        total=nvml.nvmlDeviceGetMemoryInfo(handle).total,
        utilisation=None if rates is None else rates.gpu,
        power=_watts(_if_supported(nvml, nvml.nvmlDeviceGetPowerUsage, handle)),
        power_limit=_watts(_if_supported(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
        temperature=_if_supported(
            nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU
        ),
    )


def memory_reader(uuid: str) -> Callable[[], int | None]:
    """Return a function that reads the memory in use on a device, in bytes, in microseconds.

    The figure includes every process. It is None when the driver does not answer, as after an
    update of the driver under a running program. NVML stays initialised until the process ends.
    """
    import pynvml

    def read_used() -> int | None:
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
        except pynvml.NVMLError:
            return None

    with contextlib.suppress(pynvml.NVMLError):  # `read_used` then returns None
        pynvml.nvmlInit()
    return read_used


def _matches(device: Device, entry: str) -> bool:
    if entry.isdecimal():
        card = device.index if device.slice_of is None else device.slice_of
        return card == int(entry)
    return bool(entry) and device.uuid.startswith(entry)


def _devices_at(nvml: Any, index: int) -> list[Device]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    slices = _mig_handles(nvml, handle)
    if slices is None:
        return [_device(nvml, handle, index)]
    return [_device(nvml, mig, number, slice_of=index) for number, mig in enumerate(slices)]


def _device(nvml: Any, handle: Any, index: int, slice_of: int | None = None) -> Device:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    sensors = read_sensors(nvml, handle)
    return Device(
        index=index,
        name=_text(nvml.nvmlDeviceGetName, handle),
        uuid=_text(nvml.nvmlDeviceGetUUID, handle),
        total=memory.total,
        free=memory.free,
        used=memory.used,
        temperature=sensors.temperature,
        utilisation=sensors.utilisation,
        slice_of=slice_of,
        power=sensors.power,
        power_limit=sensors.power_limit,
        processes=_processes(nvml, handle),
        compute_capability=_if_supported(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle),
    )


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...]:
    """The processes on a device, each once: NVML lists one that computes and draws twice."""
    queries = (
        nvml.nvmlDeviceGetComputeRunningProcesses,
        nvml.nvmlDeviceGetGraphicsRunningProcesses,
    )
    processes = [
        process for query in queries for process in _if_supported(nvml, query, handle) or ()
    ]
    memory = {process.pid: process.usedGpuMemory for process in processes}
    return tuple(GpuProcess(pid, used) for pid, used in memory.items())


def _text(query: Callable[..., str], *arguments: Any) -> str:
    """Call an NVML function that returns text. A driver's bytes need not be UTF-8, which pynvml
    takes for granted."""
    try:
        return str(query(*arguments))
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace")


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _mig_handles(nvml: Any, handle: Any) -> list[Any] | None:
    """The handles of a card's MIG devices, None for a card that is not in MIG mode."""
    modes = _if_supported(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if modes is None or modes[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return None
    handles = [
        _if_supported(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    ]
    return [mig for mig in handles if mig is not None]


def _if_supported(nvml: Any, query: Any, *arguments: Any) -> Any:
    """Call an NVML function; None if the device does not support it (old cards, MIG devices without
    sensors) or this user lacks the permission."""
    try:
        return query(*arguments)
    except (
        nvml.NVMLError_NotSupported,
        nvml.NVMLError_NotFound,
        nvml.NVMLError_InvalidArgument,
        nvml.NVMLError_NoPermission,
    ):
        return None
