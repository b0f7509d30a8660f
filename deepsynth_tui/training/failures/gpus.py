"""A GPU or its driver that does not do what it is asked, other than for lack of memory."""

from __future__ import annotations

_SIGNS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("driver/library version mismatch", "nvml_error_lib_rm_version_mismatch"),
        "The NVIDIA driver was updated while the old one is loaded: reboot the machine (or reload "
        "its nvidia modules), then --resume the run.",
    ),
    (
        ("driver version is insufficient", "driver on your system is too old", "unsupported ptx"),
        "The NVIDIA driver is older than this PyTorch needs: update it, or install a PyTorch that "
        "is built for an older CUDA. `nvidia-smi` and `deepsynth-tui doctor` show both versions.",
    ),
    (
        ("no kernel image is available", "is not compatible with the current pytorch"),
        "This PyTorch, or a library such as bitsandbytes, holds no code for this GPU's "
        "architecture: install a build that does. `deepsynth-tui gpus` shows which GPU it is.",
    ),
    (
        ("device-side assert",),
        "An index was out of range on the GPU, most often a token id beyond the vocabulary. "
        "CUDA_LAUNCH_BLOCKING=1 in the environment makes the traceback name the place; "
        "`train CONFIG --xray` shows the ids of the first batch.",
    ),
    (
        ("illegal memory access", "misaligned address", "unspecified launch failure"),
        "A GPU kernel failed. CUDA_LAUNCH_BLOCKING=1 in the environment makes the traceback name "
        "the place; model.attn_implementation: eager rules out the attention kernels.",
    ),
    (
        ("uncorrectable ecc error", "gpu has fallen off the bus", "gpu is lost"),
        "The GPU itself failed: `nvidia-smi -q` and `dmesg | grep -i xid` say how. Reset it or "
        "reboot, then --resume the run.",
    ),
)


def advice(error: BaseException) -> str | None:
    """What to do about an error of CUDA or of the driver."""
    told = str(error).lower()
    return next((words for signs, words in _SIGNS if any(sign in told for sign in signs)), None)
