"""The ranks of a run that cannot talk to each other."""

from __future__ import annotations

from deepsynth_tui.training.failures.chain import causes

GO_ON = "NCCL_DEBUG=INFO in the environment makes NCCL say more. --resume goes on."
_TRANSPORT = ("unhandled system error", "ncclsystemerror", "unhandled cuda error", "peer access")
_TIMEOUT = ("timeout", "timed out", "watchdog")


def lost_contact(error: BaseException) -> bool:
    """Whether a process failed only because it no longer reaches another one."""
    return any(advice(cause) is not None for cause in causes(error))


def advice(error: BaseException) -> str | None:
    """What to do when NCCL or gloo fails; the rank that this happened in is named by its owner."""
    told = str(error).lower()
    in_library = isinstance(error, RuntimeError) and ("gloo" in told or "nccl" in told)
    if not in_library and type(error).__name__ not in ("DistNetworkError", "DistStoreError"):
        return None
    if "invalid usage" in told or "duplicate gpu" in told:
        return (
            "Two ranks have the same GPU, or one that is missing: check CUDA_VISIBLE_DEVICES and "
            f"training.num_processes. {GO_ON}"
        )
    if any(sign in told for sign in _TRANSPORT):
        return (
            "NCCL could not reach another GPU. NCCL_P2P_DISABLE=1 does without direct access "
            "between GPUs, NCCL_IB_DISABLE=1 without InfiniBand; in a container, /dev/shm may be "
            f"too small (--shm-size). {GO_ON}"
        )
    if any(sign in told for sign in _TIMEOUT):
        return (
            "A rank waited too long for another: console.log shows which one came no further. If "
            f"they hang at once, try NCCL_P2P_DISABLE=1. {GO_ON}"
        )
    return (
        f"The processes of the run lost each other. console.log shows which one went first; {GO_ON}"
    )
