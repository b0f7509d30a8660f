"""Environment variables that have to be set before torch is imported."""

from __future__ import annotations

import os


def use_first_gpu_only() -> None:
    """Hide all GPUs but the first: with several, `Trainer` would use `nn.DataParallel`."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def disable_torch_compile() -> None:
    """Turn off torch.compile in this process and its ranks.

    bitsandbytes, which PEFT imports, decorates its fallback kernels with torch.compile. That alone
    imports the compiler, which costs 40 MB and a second at every start. Nothing else is compiled.
    """
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
