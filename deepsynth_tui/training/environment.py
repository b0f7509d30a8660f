"""What the process of a job tells torch by its environment, before torch is imported."""

from __future__ import annotations

import os


def use_first_gpu_only() -> None:
    """Show this process one GPU only: with several, transformers would split every batch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def disable_torch_compile() -> None:
    """Turn torch.compile off for this process and its ranks.

    bitsandbytes, which PEFT imports, marks fallback kernels of its own to be compiled. That alone
    loads the whole compiler: 40 MB and a second of each start. Nothing else here is compiled.
    """
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
