"""Settings that this machine, or what is installed on it, cannot do."""

from __future__ import annotations


def advice(error: BaseException) -> str | None:
    """What to install, or which setting to change."""
    if isinstance(error, ImportError):
        return _package(error)
    told = str(error)
    if not isinstance(error, ValueError | RuntimeError):
        return None
    if "bf16" in told:
        return "This device has no bfloat16: set training.bf16: false and training.fp16: true."
    if "fp16" in told or "FP16" in told:
        return "Set training.fp16: false and model.dtype: float32 (or bfloat16)."
    if "attn_implementation" in told or "scaled_dot_product" in told:
        return "Set model.attn_implementation: eager."
    return None


def _package(error: ImportError) -> str:
    for package in ("torchvision", "flash_attn", "wandb", "tensorboard", "trackio"):
        if package in str(error):
            return f"Install it where this program is: `pip install {package.replace('_', '-')}`."
    return "Install the package it names where this program is installed."
