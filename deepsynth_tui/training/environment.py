"""Environment variables that have to be set before torch is imported."""

from __future__ import annotations

import os

ALLOCATOR_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF")
"""Options of PyTorch's GPU allocator; the last two are older names that it still reads first."""
EXPANDABLE_SEGMENTS = "expandable_segments:True"


def number_gpus_by_bus() -> None:
    """Make CUDA number GPUs by their PCI bus ID, as NVML and nvidia-smi do, not by their speed.

    CUDA_VISIBLE_DEVICES then selects the GPUs that the screens show under these numbers.
    """
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"


def wait_passively() -> None:
    """Let idle OpenMP threads sleep, not spin, unless the user has chosen.

    On the CPU, spinning threads take the cores from other processes that they wait for.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def use_expandable_segments() -> None:
    """Let PyTorch's GPU allocator grow its segments, unless the user has set its options.

    Rows of different lengths otherwise leave gaps that no later request fits into. Ranks inherit
    the variable. Without a GPU it has no effect.
    """
    if not allocator_options():
        os.environ["PYTORCH_ALLOC_CONF"] = EXPANDABLE_SEGMENTS


def allocator_options() -> str:
    """Return the options of the GPU allocator as `NAME=value`, those that are set."""
    names = (name for name in ALLOCATOR_VARIABLES if os.environ.get(name))
    return " ".join(f"{name}={os.environ[name]}" for name in names)


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
