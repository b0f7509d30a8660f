"""The installed PyTorch, and whether it can use the GPUs of this machine. Imports no torch."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.machine.nvml import Probe

TRAIN_ON_CPU = "set CUDA_VISIBLE_DEVICES to nothing to train on the CPU"
"""How a user chooses the CPU on a machine with GPUs."""


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """A build of PyTorch. `cuda` is the CUDA version it was built for, None for other builds."""

    version: str
    cuda: str | None = None
    is_for_cpu: bool = False


@dataclass(frozen=True, slots=True)
class UnusableGpu:
    """Why PyTorch cannot use the GPUs of this machine, and what to do."""

    reason: str
    advice: str


def installed_torch() -> TorchBuild | None:
    """Return the installed PyTorch by its `torch/version.py`, None if it is not installed."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).with_name("version.py")
    version_spec = importlib.util.spec_from_file_location("torch_version", file)
    if version_spec is None or version_spec.loader is None or not file.is_file():
        return None
    module = importlib.util.module_from_spec(version_spec)
    version_spec.loader.exec_module(module)
    platforms = ("cuda", "hip", "xpu")
    return TorchBuild(
        str(module.__version__),
        getattr(module, "cuda", None),
        is_for_cpu=not any(getattr(module, platform, None) for platform in platforms),
    )


def unusable_gpu(probe: Probe, torch: TorchBuild | None) -> UnusableGpu | None:
    """Return why `torch` certainly cannot use the GPUs that NVML reports.

    None if nothing speaks against them, if there are none, and if `cpu_is_chosen`.
    """
    if cpu_is_chosen():
        return None
    if probe.hidden:
        return UnusableGpu(
            probe.reason.removesuffix("."),
            "Set it to numbers of GPUs that `nvidia-smi` lists, remove it, or "
            f"{TRAIN_ON_CPU.replace('CUDA_VISIBLE_DEVICES', 'it')}.",
        )
    if not probe.devices or torch is None:
        return None
    gpus = ", ".join(device.name for device in probe.devices)
    if torch.is_for_cpu:
        return UnusableGpu(
            f"This machine has a GPU ({gpus}), but the installed PyTorch ({torch.version}) is a "
            "build for the CPU",
            "Install a PyTorch built for CUDA (https://pytorch.org/get-started/locally), or "
            f"{TRAIN_ON_CPU}.",
        )
    # Within a major version of CUDA, a program runs on an older driver ("minor version
    # compatibility" in the CUDA documentation).
    if torch.cuda and probe.driver_cuda and probe.driver_cuda[0] < int(torch.cuda.split(".")[0]):
        supported = ".".join(map(str, probe.driver_cuda))
        return UnusableGpu(
            f"This machine has a GPU ({gpus}), but its driver {probe.driver} supports CUDA "
            f"{supported}, and the installed PyTorch ({torch.version}) needs {torch.cuda}",
            f"Update the driver, install a PyTorch built for CUDA {probe.driver_cuda[0]}, or "
            f"{TRAIN_ON_CPU}.",
        )
    return None


def failed_gpu(probe: Probe, error: str) -> UnusableGpu | None:
    """Return why PyTorch, which reports `error`, finds none of the GPUs that a driver is there for.

    None if there is no driver or no GPU, and if `cpu_is_chosen`.
    """
    if cpu_is_chosen() or not (probe.failed or probe.devices):
        return None
    gpus = ", ".join(device.name for device in probe.devices)
    return UnusableGpu(
        f"PyTorch cannot use {gpus}: {error}" if gpus else probe.reason.removesuffix("."),
        "Repair the driver (after an update of it, reboot the machine), see `deepsynth-tui "
        f"doctor`, or {TRAIN_ON_CPU}.",
    )


def cpu_is_chosen() -> bool:
    """Whether the user has hidden all GPUs: CUDA_VISIBLE_DEVICES is empty, -1 or NoDevFiles."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible is not None and visible.strip() in ("", "-1", "NoDevFiles")
