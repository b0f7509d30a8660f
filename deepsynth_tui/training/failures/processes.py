"""Processes of a run that ended: ranks, which lose the connection to each other, and workers."""

from __future__ import annotations

from deepsynth_tui.training.failures.chain import causes

DEBUG_AND_RESUME = (
    "NCCL_DEBUG=INFO in the environment makes NCCL log more. --resume continues the run."
)
_TRANSPORT = ("unhandled system error", "ncclsystemerror", "unhandled cuda error", "peer access")
_TIMEOUT = ("timeout", "timed out", "watchdog")


def explain_lost_worker(error: BaseException) -> str | None:
    """Return advice for a DataLoader worker that was killed, with or without a reason by torch."""
    if not isinstance(error, RuntimeError) or not str(error).startswith("DataLoader worker (pid"):
        return None
    if "shared memory" in str(error):
        return (
            "Processes that read rows pass batches on in shared memory (/dev/shm), which was full: "
            "start the container with a larger one (docker run --shm-size=8g), or set "
            "training.dataloader_num_workers to 0."
        )
    return (
        "A process that reads rows was killed, most likely because the memory of the machine was "
        "full. Close other programs, lower training.dataloader_num_workers, or store smaller "
        "images."
    )


def is_lost_connection(error: BaseException) -> bool:
    """Return whether a rank failed only because it lost the connection to another one."""
    return any(explain_lost_connection(cause) is not None for cause in causes(error))


def explain_lost_connection(error: BaseException) -> str | None:
    """Return advice for a failure of NCCL or gloo; the launcher adds the rank."""
    message = str(error).lower()
    is_backend = isinstance(error, RuntimeError) and ("gloo" in message or "nccl" in message)
    if not is_backend and type(error).__name__ not in ("DistNetworkError", "DistStoreError"):
        return None
    if "invalid usage" in message or "duplicate gpu" in message:
        return (
            "Two ranks use the same GPU, or one uses a GPU that is missing: check "
            f"CUDA_VISIBLE_DEVICES and training.num_processes. {DEBUG_AND_RESUME}"
        )
    if any(phrase in message for phrase in _TRANSPORT):
        return (
            "NCCL could not reach another GPU. NCCL_P2P_DISABLE=1 turns off direct access between "
            "GPUs, NCCL_IB_DISABLE=1 turns off InfiniBand; in a container, /dev/shm may be too "
            f"small (--shm-size). {DEBUG_AND_RESUME}"
        )
    if any(phrase in message for phrase in _TIMEOUT):
        return (
            "A rank waited too long for another: console.log shows which one stopped. If they "
            f"hang from the start, try NCCL_P2P_DISABLE=1. {DEBUG_AND_RESUME}"
        )
    return (
        "The ranks of the run lost the connection to each other. console.log shows which one "
        f"failed first. {DEBUG_AND_RESUME}"
    )
