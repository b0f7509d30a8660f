"""Refuse to compute on the CPU in silence while this machine has a GPU."""

from __future__ import annotations

import torch

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.torch_build import failed_gpu, installed_torch, unusable_gpu
from deepsynth_tui.training.failures import TrainingError


def require_usable_gpu() -> None:
    """Check that PyTorch can use a GPU, or that there is none, or that the user chose the CPU.

    Raises:
        TrainingError: there is a GPU that PyTorch cannot use.
    """
    if torch.cuda.is_available():
        return
    probe = nvml.probe()
    problem = unusable_gpu(probe, installed_torch()) or failed_gpu(probe, _cuda_error())
    if problem is not None:
        raise TrainingError(problem.reason, problem.advice)


def describe_device() -> str:
    """Return the name of the GPU in use, or why it is the CPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"the CPU. {nvml.probe().reason}"


def _cuda_error() -> str:
    """Return why CUDA does not start."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:  # AssertionError: a build for the CPU
        return str(error)
    return "CUDA finds no device"
