"""What each kind of failure is told to do about, with errors as the libraries raise them."""

from __future__ import annotations

import errno
from pathlib import Path

import httpx2
import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import hf_raise_for_status
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import distributed

from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.failures.memory import parse_out_of_memory
from deepsynth_tui.training.failures.processes import is_lost_connection
from deepsynth_tui.training.ranks.exit_reasons import unreported_exit, with_rank
from deepsynth_tui.training.ranks.protocol import FailedMessage, decode, encode

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


def answered(status: int, path: str = "models/me/x/commit/main") -> Exception:
    """What the Hub's client raises for such an answer."""
    request = httpx2.Request("POST", f"https://huggingface.co/api/{path}")
    with pytest.raises(HfHubHTTPError) as raised:
        hf_raise_for_status(httpx2.Response(status, request=request))
    return raised.value


def test_the_figures_of_a_full_gpu() -> None:
    found = parse_out_of_memory(FULL)
    gib = 2**30
    assert found.requested == round(1.2 * gib)
    assert (found.free, found.capacity, found.unused) == (gib // 2, round(15.77 * gib), 2 * gib)
    assert str(found) == (
        "The GPU ran out of memory: 1.2 GiB more were requested, and 0.5 GiB of 15.8 GiB were free"
    )
    assert str(parse_out_of_memory("CUDA error: out of memory")) == ""


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
        (LocalTokenNotFoundError("Token is required"), "hf auth login"),
        (answered(401), "HF_TOKEN"),  # of a repository, it may not even exist
        (answered(401, "whoami-v2"), "does not accept the token"),
        (answered(403), "write access"),
        (answered(503), "try again later"),
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
def test_wandb_can_be_kept_offline(name: str, advice: str) -> None:
    """Its errors by name: it is not installed here."""
    error = type(name, (Exception,), {"__module__": "wandb.errors.errors"})("no")
    told = explain(error).advice
    assert advice in told
    assert "WANDB_MODE=offline" in told


def test_a_weights_file_that_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x40\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(SafetensorError) as raised:
        load_file(tmp_path / "model.safetensors")
    assert "download" in explain(raised.value).advice


def test_a_rank_that_fails_keeps_its_changes_and_is_named() -> None:
    failure = Failure("OutOfMemoryError", "full", "lower it", {"training.optim": "adamw_8bit"})
    assert with_rank(failure, 1) == Failure(
        "OutOfMemoryError", "Rank 1: full", "lower it", {"training.optim": "adamw_8bit"}
    )
    assert decode(encode(FailedMessage(failure, False))) == FailedMessage(failure, False)
    assert is_lost_connection(distributed.DistBackendError(f"{NCCL}unhandled system error"))
    assert not is_lost_connection(torch.OutOfMemoryError(FULL))


def test_a_killed_rank_is_told_by_what_the_kernel_knows() -> None:
    assert "ran out of main memory" in unreported_exit(1, 7, -9, killed_for_memory=True).message
    assert "If nobody did that" in unreported_exit(1, 7, -9).advice
    other = unreported_exit(1, 7, -9, killed_for_memory=False)
    assert other.message == "Rank 1 (pid 7) was ended by SIGKILL"
    assert "Somebody did that" in other.advice
    assert "console.log" in unreported_exit(1, 7, -11).advice
