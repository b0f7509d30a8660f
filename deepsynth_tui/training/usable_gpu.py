"""Refuse to compute on the CPU in silence while this machine has a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.config.precision import float16_changes, no_bfloat16, use_float16
from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.torch_build import failed_gpu, installed_torch, unusable_gpu
from deepsynth_tui.runs.job import Failure, JobFailed
from deepsynth_tui.training.environment import allocator_options
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.failures.memory import RETRY

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig


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


def require_bfloat16(config: TrainingConfig) -> None:
    """Check that the GPU has the bfloat16 that `config` uses.

    PyTorch emulates it on GPUs before Ampere, many times slower and in float32.

    Raises:
        JobFailed: it has none, with the settings to change.
    """
    if not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False):
        return
    if changes := float16_changes(config):
        name = torch.cuda.get_device_name()
        raise JobFailed(no_bfloat16_failure(name, changes))


def no_bfloat16_failure(gpu: str, changes: Mapping[str, Any]) -> Failure:
    """Describe that `gpu` lacks the bfloat16 that is used without `changes`."""
    return Failure("NoBfloat16", no_bfloat16(gpu), f"{use_float16(changes)}. {RETRY}", changes)


def describe_device() -> str:
    """Return the GPU in use with the options of its allocator, or why it is the CPU."""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()} {allocator_options()}".rstrip()
    return f"the CPU. {nvml.probe().reason}"


def _cuda_error() -> str:
    """Return why CUDA does not start."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:  # AssertionError: a build for the CPU
        return str(error)
    return "CUDA finds no device"
