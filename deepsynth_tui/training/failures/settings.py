"""Settings that this machine or the installed packages do not support."""

from __future__ import annotations


def explain_unsupported_setting(error: BaseException) -> str | None:
    """Return which package to install or which setting to change."""
    if isinstance(error, ImportError):
        return _explain_missing_package(error)
    if not isinstance(error, ValueError | RuntimeError):
        return None
    message = str(error)
    if "bf16" in message:
        return (
            "This device has no bfloat16: set training.bf16: false, training.fp16: true, "
            "model.dtype: float16 and quantization.compute_dtype: float16."
        )
    if "fp16" in message or "FP16" in message:
        return "Set training.fp16: false and model.dtype: float32 (or bfloat16)."
    if "attn_implementation" in message or "scaled_dot_product" in message:
        return "Set model.attn_implementation: eager."
    return None


def _explain_missing_package(error: ImportError) -> str:
    for package in ("torchvision", "flash_attn", "wandb", "tensorboard", "trackio"):
        if package in str(error):
            name = package.replace("_", "-")
            return f"Install it in the environment of this program: `pip install {name}`."
    return "Install the package that the error names in the environment of this program."
