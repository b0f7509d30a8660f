"""Errors of a GPU or its driver other than a lack of memory."""

from __future__ import annotations

_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("driver/library version mismatch", "nvml_error_lib_rm_version_mismatch"),
        "The NVIDIA driver was updated while the old one is still loaded: reboot the machine (or "
        "reload the nvidia kernel modules), then --resume the run.",
    ),
    (
        ("driver version is insufficient", "driver on your system is too old", "unsupported ptx"),
        "The NVIDIA driver is older than this PyTorch needs: update it, or install a PyTorch built "
        "for an older CUDA. `nvidia-smi` and `deepsynth-tui doctor` show both versions.",
    ),
    (
        ("no kernel image is available", "is not compatible with the current pytorch"),
        "This PyTorch, or a library such as bitsandbytes, was not compiled for this GPU's "
        "architecture: install a build that was. `deepsynth-tui gpus` shows the GPU.",
    ),
    (
        ("device-side assert",),
        "An index was out of range on the GPU, usually a token id beyond the vocabulary. Set "
        "CUDA_LAUNCH_BLOCKING=1 in the environment to get the exact line in the traceback; "
        "`train CONFIG --xray` shows the ids of the first batch.",
    ),
    (
        ("illegal memory access", "misaligned address", "unspecified launch failure"),
        "A GPU kernel failed. Set CUDA_LAUNCH_BLOCKING=1 in the environment to get the exact line "
        "in the traceback; model.attn_implementation: eager rules out the attention kernels.",
    ),
    (
        ("uncorrectable ecc error", "gpu has fallen off the bus", "gpu is lost"),
        "The GPU hardware failed: see `nvidia-smi -q` and `dmesg | grep -i xid`. Reset the GPU or "
        "reboot, then --resume the run.",
    ),
)
"""Parts of lower-cased messages of CUDA, NVML and PyTorch, and the advice for them."""


def explain_gpu_error(error: BaseException) -> str | None:
    """Return advice for an error of CUDA or of the driver."""
    message = str(error).lower()
    for phrases, advice in _ADVICE:
        if any(phrase in message for phrase in phrases):
            return advice
    return None
