"""Advice for each kind of failure, with errors as the libraries raise them."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import hf_raise_for_status
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import distributed

from deepsynth_tui.config.model import DEFAULT_MODEL
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.job import JobFailed
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.failures.memory import (
    explain_loading_out_of_memory,
    parse_out_of_memory,
)
from deepsynth_tui.training.failures.processes import is_lost_connection

# c10/cuda/CUDACachingAllocator.cpp, PyTorch 2.13
FULL = (
    "CUDA out of memory. Tried to allocate 1.20 GiB. GPU 0 has a total capacity of 15.77 GiB of "
    "which 512.00 MiB is free. Including non-PyTorch memory, this process has 15.25 GiB memory in "
    "use. Of the allocated memory 13.00 GiB is allocated by PyTorch, and 2.00 GiB is reserved by "
    "PyTorch but unallocated. If reserved but unallocated memory is large try setting "
    "PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)
NCCL = "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:94, "
WATCHDOG = (
    "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5, OpType=ALLREDUCE, "
    "Timeout(ms)=1800000) ran for 1800064 milliseconds before timing out."
)


def hub_error(status: int, path: str = "models/me/x/commit/main") -> Exception:
    """Return the exception of the Hub's client for an HTTP status."""
    request = httpx2.Request("POST", f"https://huggingface.co/api/{path}")
    with pytest.raises(HfHubHTTPError) as raised:
        hf_raise_for_status(httpx2.Response(status, request=request))
    return raised.value


def test_the_figures_of_an_out_of_memory_error() -> None:
    figures = parse_out_of_memory(FULL)
    gib = 2**30
    assert figures.requested == round(1.2 * gib)
    assert (figures.free, figures.capacity, figures.unused) == (
        gib // 2,
        round(15.77 * gib),
        2 * gib,
    )
    assert str(figures) == (
        "The GPU ran out of memory: 1.2 GiB more were requested, and 0.5 GiB of 15.8 GiB were free"
    )
    assert str(parse_out_of_memory("CUDA error: out of memory")) == ""


class Malicious:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_that_runs_code_is_refused_in_our_words(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": Malicious()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(pickle.UnpicklingError) as refusal:
        torch.load(path, weights_only=True)
    failure = explain(refusal.value)
    assert f"{os.system.__module__}.system" in failure.message
    assert "safetensors" in failure.advice
    assert "weights_only" not in failure.message + failure.advice


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), "batch_size"),
        (torch.AcceleratorError("CUDA error: out of memory"), "batch_size"),
        (distributed.DistBackendError(f"{NCCL}unhandled system error"), "NCCL_P2P_DISABLE=1"),
        (distributed.DistBackendError(f"{NCCL}unhandled system error"), "NCCL_DEBUG=INFO"),
        (distributed.DistBackendError(f"{NCCL}invalid usage"), "CUDA_VISIBLE_DEVICES"),
        (RuntimeError(WATCHDOG.replace("WorkNCCL", "NCCL")), "waited too long"),
        (
            RuntimeError(
                "Unexpected error from cudaGetDeviceCount(): Error 804: NVML: "
                "Driver/library version mismatch"
            ),
            "reboot",
        ),
        (
            torch.AcceleratorError(
                "CUDA error: CUDA driver version is insufficient for CUDA runtime version"
            ),
            "older than this PyTorch",
        ),
        (
            RuntimeError("The NVIDIA driver on your system is too old (found version 11040)."),
            "older than this PyTorch",
        ),
        (
            torch.AcceleratorError(
                "CUDA error: no kernel image is available for execution on the device"
            ),
            "architecture",
        ),
        (
            torch.AcceleratorError("CUDA error: device-side assert triggered"),
            "CUDA_LAUNCH_BLOCKING",
        ),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), "eager"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "memory"),
        (RuntimeError("DataLoader worker (pid(s) 7, 8) exited unexpectedly"), "memory"),
        (
            # torch/utils/data/_utils/signal_handling.py
            RuntimeError(
                "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
                "dataloader's workers are out of shared memory. Please try to raise your shared "
                "memory limit."
            ),
            "--shm-size",
        ),
        (LocalTokenNotFoundError("Token is required"), "hf auth login"),
        (hub_error(401), "HF_TOKEN"),  # for a repository: it may not exist
        (hub_error(401, "whoami-v2"), "does not accept the token"),
        (hub_error(403), "write access"),
        (hub_error(503), "try again later"),
        (
            OSError(
                errno.ENOSPC, "No space left on device", "/h/.cache/huggingface/hub/models--a--b"
            ),
            "HF_HOME",
        ),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_advice(error: Exception, advice: str) -> None:
    assert advice in explain(error).advice


@pytest.mark.parametrize(
    ("name", "advice"), [("UsageError", "wandb login"), ("CommError", "cannot be reached")]
)
def test_wandb_advice_offers_offline_mode(name: str, advice: str) -> None:
    """Its errors are matched by name; it is not installed here."""
    error = type(name, (Exception,), {"__module__": "wandb.errors.errors"})("no")
    text = explain(error).advice
    assert advice in text
    assert "WANDB_MODE=offline" in text


def test_a_truncated_weights_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(SafetensorError) as raised:
        load_file(tmp_path / "model.safetensors")
    assert "download" in explain(raised.value).advice


def test_nccl_errors_are_lost_connections_and_out_of_memory_is_not() -> None:
    assert is_lost_connection(distributed.DistBackendError(f"{NCCL}unhandled system error"))
    assert not is_lost_connection(torch.OutOfMemoryError(FULL))


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({}, {"quantization.enabled": True, "quantization.bits": 4}),
        ({"quantization": {"enabled": True, "bits": 8}}, {"quantization.bits": 4}),
        ({"quantization": {"enabled": True}}, {}),
        ({"lora": {"enabled": False}}, {}),
    ],
)
def test_a_model_that_does_not_fit_is_not_a_matter_of_the_batch(
    settings: dict[str, Any], changes: dict[str, Any]
) -> None:
    config = TrainingConfig.model_validate(settings)
    with pytest.raises(JobFailed) as raised, explain_loading_out_of_memory(config):
        raise torch.OutOfMemoryError(FULL)
    failure = raised.value.failure
    assert failure.changes == changes
    assert "were loaded" in failure.message
    assert "1.2 GiB more were requested" in failure.message
    assert "batch" not in failure.advice
    assert ("--retry" in failure.advice) == bool(changes)
    with pytest.raises(RuntimeError, match="shape"), explain_loading_out_of_memory(config):
        raise RuntimeError("shape mismatch")


@pytest.mark.parametrize(
    "error",
    [
        ValueError(
            "The repository deepseek-ai/DeepSeek-OCR contains custom code which must be executed "
            "to correctly load the model. Please pass the argument `trust_remote_code=True`"
        ),
        ImportError("cannot import name 'LlamaFlashAttention2' from 'transformers.models.llama'"),
    ],
    ids=["not trusted", "trusted"],
)
def test_remote_code_of_deepseek_ocr_leads_to_the_native_checkpoint(error: Exception) -> None:
    assert DEFAULT_MODEL in explain(error).advice
