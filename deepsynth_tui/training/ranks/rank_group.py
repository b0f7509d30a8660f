"""What the ranks of a run agree on, from inside one of them; alone, they agree at once.

Gradients go through the main group (NCCL on GPUs). Everything else goes through a second one over
gloo, whose patience lasts while the first rank counts rows, writes, or waits for disk space.
"""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from torch import distributed

from deepsynth_tui.runs.control import REQUESTS, Request

# A rank that dies is noticed by the owner within a second; this ends ranks that wait for ever.
STEP_LIMIT = timedelta(minutes=30)
PATIENCE = timedelta(days=7)


class RankGroup:
    """The other ranks; without a group there are none."""

    def __init__(self, group: distributed.ProcessGroup | None = None) -> None:
        self._group = group
        self.count = distributed.get_world_size() if group else 1
        self.first = group is None or distributed.get_rank() == 0

    def agreed(self, request: Request | None) -> Request | None:
        """The request that the first rank has heard, the same in every rank."""
        if self._group is None:
            return request
        answers = (None, *REQUESTS)
        number = torch.tensor([answers.index(request)])
        distributed.broadcast(number, src=0, group=self._group)
        return answers[int(number.item())]

    def total(self, number: int) -> int:
        """The sum over all ranks."""
        if self._group is None:
            return number
        summed = torch.tensor([number], dtype=torch.long)  # a bool is an int, and takes one byte
        distributed.all_reduce(summed, group=self._group)
        return int(summed.item())

    def wait(self) -> None:
        """Return when every rank has come here."""
        self.total(0)

    def part(self) -> None:
        """Leave the others, all at the same point: what follows needs the first rank alone."""
        if self._group is not None:
            self.wait()
            distributed.destroy_process_group()
            self._group = None


def join_rank_group(*, listen: int | None) -> RankGroup:
    """Meet the other ranks where RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say, each on the
    GPU of its number. `listen` is the first rank's socket of that address, already bound.

    Raises:
        RuntimeError: they did not come, or a GPU is missing (of CUDA, NCCL or gloo).
    """
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(rank)
    store = distributed.TCPStore(  # pyright: ignore[reportPrivateImportUsage] - documented
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        count,
        is_master=rank == 0,
        timeout=STEP_LIMIT,
        master_listen_fd=listen,
    )
    distributed.init_process_group(
        "nccl" if on_gpus else "gloo", store=store, rank=rank, world_size=count, timeout=STEP_LIMIT
    )
    group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(group, distributed.ProcessGroup)  # an int where this rank is not in it
    return RankGroup(group)
