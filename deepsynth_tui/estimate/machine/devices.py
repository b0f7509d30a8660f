"""The GPUs of this machine, as the driver sees them (NVML). No driver is an answer, no error."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU, or one MIG slice of it. Memory in bytes; None where the driver does not say.

    `used` counts every process, not only ours.
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


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found; `reason` says why nothing was, and is empty otherwise."""

    devices: tuple[Device, ...]
    reason: str = ""


def probe() -> Probe:
    """Ask the driver. Takes milliseconds to a second: call it from a thread."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Probe((), f"No NVIDIA driver answers: {error}.")
    try:
        return read(pynvml)
    finally:
        pynvml.nvmlShutdown()


def read(nvml: Any) -> Probe:
    """Map an initialised NVML (the `pynvml` module) to devices. A card in MIG mode gives slices."""
    try:
        devices = [
            device
            for index in range(nvml.nvmlDeviceGetCount())
            for device in _devices_at(nvml, index)
        ]
    except nvml.NVMLError as error:
        return Probe((), f"The NVIDIA driver failed: {error}.")
    if not devices:
        return Probe((), "The NVIDIA driver sees no GPU.")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden == "":
        return Probe((), "CUDA_VISIBLE_DEVICES is set to nothing, which hides every GPU.")
    return Probe(tuple(devices))


def _devices_at(nvml: Any, index: int) -> list[Device]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    slices = _mig_handles(nvml, handle)
    if slices:
        return [_device(nvml, mig, number, of=index) for number, mig in enumerate(slices)]
    return [_device(nvml, handle, index)]


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
    )


def _mig_handles(nvml: Any, handle: Any) -> list[Any]:
    modes = _if_supported(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if modes is None or modes[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        return []
    places = range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    found = [
        _if_supported(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
        for place in places
    ]
    return [mig for mig in found if mig is not None]


def _if_supported(nvml: Any, ask: Any, *arguments: Any) -> Any:
    """The answer, None where this card or slice has none (old cards, slices without sensors)."""
    try:
        return ask(*arguments)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_NotFound, nvml.NVMLError_InvalidArgument):
        return None
