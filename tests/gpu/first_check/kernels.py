"""The device, its versions, and the kernels that training depends on."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.gpu.first_check.report import Report

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
MATMULS = ((4, 1024), (64, 1024), (2048, 1024), (64, 3420))
"""Rows and width: bitsandbytes chooses another kernel for each."""
MATMUL_ERROR = 0.02
REPEATS = 5
CONV_SLOWER = 5.0
"""A convolution may take this many times a matrix product of the same work."""


def check_kernels(report: Report, root: Path) -> None:
    """Report versions and device, and compare 4-bit layers and the patch embedding."""
    report.line("versions", None, **{name: version(name) for name in LIBRARIES})
    if not report.on_gpu:
        report.line("device", None, name="no CUDA: the lines below say nothing about a GPU")
        return
    properties = torch.cuda.get_device_properties(0)
    report.line(
        "device",
        None,
        name=properties.name,
        capability=f"{properties.major}.{properties.minor}",
        gib=properties.total_memory / 2**30,
        cudnn=torch.backends.cudnn.version(),
        native_bf16=torch.cuda.is_bf16_supported(including_emulation=False),
    )
    with report.check("4-bit matmul"):
        for rows, width in MATMULS:
            error = four_bit_error(rows, width)
            report.line(f"4-bit matmul {rows} x {width}", error < MATMUL_ERROR, error=error)
    with report.check("patch embedding"):
        _patch_embedding(report)


def four_bit_error(rows: int, width: int) -> float:
    """Return the relative error of a 4-bit layer against its own dequantized weights."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn.modules import Linear4bit

    layer: Any = Linear4bit(
        width, 512, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4"
    ).cuda()
    inputs = torch.randn(rows, width, device="cuda", dtype=torch.bfloat16)
    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(torch.bfloat16)
    expected = inputs @ weight.T
    return ((layer(inputs) - expected).norm() / expected.norm()).item()


@torch.no_grad()
def _patch_embedding(report: Report) -> None:
    """Time Qwen's patch embedding, which torch 2.9 computes slowly, and as a matrix product."""
    options = {"device": "cuda", "dtype": torch.bfloat16}
    conv = nn.Conv3d(3, 1152, (2, 16, 16), (2, 16, 16), **options)
    patches = torch.randn(4096, 3, 2, 16, 16, **options)
    weight = conv.weight.view(1152, -1)
    conv_ms = _milliseconds(lambda: conv(patches))
    linear_ms = _milliseconds(lambda: nn.functional.linear(patches.view(4096, -1), weight))
    report.line(
        "patch embedding",
        conv_ms < CONV_SLOWER * linear_ms + 2,
        conv3d_ms=conv_ms,
        linear_ms=linear_ms,
    )


def _milliseconds(compute: Callable[[], torch.Tensor]) -> float:
    compute()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(REPEATS):
        compute()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / REPEATS * 1000
