"""Collective operations between the ranks of a run; a run of one process has none.

Gradients use the default process group (NCCL on GPUs). Everything else uses a second group over
gloo with a long timeout: ranks wait while the first one counts tokens, saves, or waits for disk
space.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from deepsynth_tui.runs.control import REQUESTS, Request

# The launcher notices within a second that a rank died; this ends ranks that hang in a step.
STEP_TIMEOUT = timedelta(minutes=30)
CONTROL_TIMEOUT = timedelta(days=7)


T = TypeVar("T")


class RankGroup:
    """The ranks of this run, seen from one of them. Without a process group it is the only one."""

    def __init__(self, group: distributed.ProcessGroup | None = None) -> None:
        self._group = group
        self.world_size = distributed.get_world_size() if group else 1
        self.rank = distributed.get_rank() if group else 0
        self.is_main = self.rank == 0

    def broadcast_request(self, request: Request | None) -> Request | None:
        """Return the request of the first rank in all ranks, so that they stop at the same step."""
        if self._group is None:
            return request
        choices = (None, *REQUESTS)
        index = torch.tensor([choices.index(request)])
        distributed.broadcast(index, src=0, group=self._group)
        return choices[int(index.item())]

    def broadcast(self, value: T) -> T:
        """Return the value of the first rank, which is pickled, in all ranks."""
        if self._group is None:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0, group=self._group)
        return values[0]

    def all_reduce_sum(self, number: int) -> int:
        """Return the sum of `number` over all ranks."""
        if self._group is None:
            return number
        total = torch.tensor([number], dtype=torch.long)  # for a bool, the default is one byte
        distributed.all_reduce(total, group=self._group)
        return int(total.item())

    def barrier(self) -> None:
        """Wait until every rank has reached this call."""
        self.all_reduce_sum(0)

    def leave(self) -> None:
        """Destroy the process groups, in all ranks at the same point; the first rank goes on."""
        if self._group is not None:
            self.barrier()
            distributed.destroy_process_group()
            self._group = None


def join_rank_group(*, listen_fd: int | None) -> RankGroup:
    """Join the other ranks at MASTER_ADDR:MASTER_PORT and use the GPU of this rank's number.

    torchrun (`ranks.node`) has made the store of a run on several nodes; otherwise `listen_fd` is
    the first rank's socket, which the launcher has bound to that address.

    Raises:
        RuntimeError: a rank did not come, or a GPU is missing (raised by CUDA, NCCL or gloo).
    """
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    has_gpus = torch.cuda.is_available()
    if has_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if distributed.is_torchelastic_launched():
        distributed.init_process_group("nccl" if has_gpus else "gloo", timeout=STEP_TIMEOUT)
        return RankGroup(_control_group())
    store = distributed.TCPStore(  # pyright: ignore[reportPrivateImportUsage] - documented
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world_size,
        is_master=rank == 0,
        timeout=STEP_TIMEOUT,
        master_listen_fd=listen_fd,
    )
    distributed.init_process_group(
        "nccl" if has_gpus else "gloo",
        store=store,
        rank=rank,
        world_size=world_size,
        timeout=STEP_TIMEOUT,
    )
    return RankGroup(_control_group())


def _control_group() -> distributed.ProcessGroup:
    group = distributed.new_group(backend="gloo", timeout=CONTROL_TIMEOUT)
    assert isinstance(group, distributed.ProcessGroup)  # an int in ranks outside of the group
    return group
