"""GPUs that NVML reports and the installed PyTorch cannot use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from deepsynth_tui.machine.nvml import Device, Probe
from deepsynth_tui.machine.torch_build import (
    TorchBuild,
    failed_gpu,
    installed_torch,
    unusable_gpu,
)

T4 = Device(0, "Tesla T4", "GPU-1", 100, 100, 0, None, None, compute_capability=(7, 5))
WITH_T4 = Probe((T4,), driver="535.54", driver_cuda=(12, 2))
HIDDEN = Probe((), "CUDA_VISIBLE_DEVICES is set to 7, which hides every GPU.", hidden=True)
MISMATCH = Probe((), "The NVIDIA driver is not available: version mismatch.", failed=True)
NO_DRIVER = Probe((), "The NVIDIA driver is not available: NVML Shared Library Not Found.")
FOR_CPU = TorchBuild("2.13.0+cpu", is_for_cpu=True)
FOR_12 = TorchBuild("2.13.0+cu129", "12.9")
FOR_13 = TorchBuild("2.13.0+cu130", "13.0")


@pytest.fixture(autouse=True)
def visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU is hidden."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("probe", "build", "reason"),
    [
        (WITH_T4, FOR_CPU, "Tesla T4), but the installed PyTorch (2.13.0+cpu) is a build for the"),
        (WITH_T4, FOR_13, "its driver 535.54 supports CUDA 12.2, and the installed PyTorch"),
        (WITH_T4, FOR_12, None),
        (WITH_T4, None, None),
        (WITH_T4, TorchBuild("2.13.0+rocm7"), None),
        (HIDDEN, FOR_13, "CUDA_VISIBLE_DEVICES is set to 7, which hides every GPU"),
        (MISMATCH, FOR_13, None),
        (NO_DRIVER, FOR_CPU, None),
    ],
)
def test_a_gpu_that_pytorch_cannot_use(probe: Probe, build: TorchBuild | None, reason: str | None):
    unusable = unusable_gpu(probe, build)
    assert (unusable is None) == (reason is None)
    if unusable and reason:
        assert reason in unusable.reason
        assert "to nothing to train on the CPU" in unusable.advice


@pytest.mark.parametrize("probe", [WITH_T4, HIDDEN, MISMATCH])
@pytest.mark.parametrize("value", ["", "-1"])
def test_a_hidden_gpu_is_a_choice_of_the_cpu(
    probe: Probe, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert unusable_gpu(probe, FOR_CPU) is None
    assert failed_gpu(probe, "no device") is None


def test_a_driver_that_gives_pytorch_no_gpu():
    assert failed_gpu(NO_DRIVER, "") is None
    failed = failed_gpu(WITH_T4, "Error 802: system not yet initialized")
    assert failed
    assert failed.reason == "PyTorch cannot use Tesla T4: Error 802: system not yet initialized"
    mismatch = failed_gpu(MISMATCH, "no device")
    assert mismatch
    assert "version mismatch" in mismatch.reason
    assert "reboot" in mismatch.advice


def test_the_build_is_read_without_importing_torch():
    build = installed_torch()
    assert build
    assert (build.version, build.cuda) == (torch.__version__, torch.version.cuda)
    script = (
        "import sys; from deepsynth_tui.machine.torch_build import installed_torch; "
        "installed_torch(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=dict(os.environ))
