"""Worker processes that prepare batches: how many, what they leave unchanged, and how they end."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.config.training import TrainingSettings
from deepsynth_tui.runs import process
from deepsynth_tui.training.data.workers import (
    WORKER_BYTES,
    FreeMemory,
    LoaderWorkers,
    choose_workers,
    worker_start,
)
from deepsynth_tui.units import GIB, MIB
from tests.process.test_jobs import wait_until
from tests.training.conftest import Run
from tests.training.forked import fork

PLENTY = FreeMemory(main=256 * GIB, shared=128 * GIB)


def choose(free: FreeMemory = PLENTY, **changes: Any) -> LoaderWorkers:
    options = {"on_gpu": True, "batches": 1000, "cpus": 32, "batch_bytes": lambda: 100 * MIB}
    settings = {name: value for name, value in changes.items() if name not in options}
    options |= {name: value for name, value in changes.items() if name in options}
    return choose_workers(TrainingSettings(**settings), free=free, **options)


@pytest.mark.parametrize(
    ("changes", "count", "ready"),
    [
        ({}, 8, 16),
        ({"num_processes": 8}, 4, 8),
        ({"cpus": 6}, 6, 12),
        ({"cpus": 2, "num_processes": 4}, 1, 8),  # a step takes 8 batches
        ({"gradient_accumulation_steps": 32}, 8, 32),
        ({"batches": 3}, 3, 9),
        ({"on_gpu": False}, 0, 0),
        ({"on_gpu": False, "dataloader_num_workers": 3}, 3, 9),
        ({"dataloader_num_workers": 12, "gradient_accumulation_steps": 1}, 12, 24),
        ({"dataloader_num_workers": 0}, 0, 0),
    ],
)
def test_workers_keep_the_batches_of_a_step_ready(
    changes: dict[str, Any], count: int, ready: int
) -> None:
    workers = choose(**changes)
    assert (workers.count, workers.count * (workers.prefetch_factor or 0)) == (count, ready)
    assert workers.warning is None
    assert (workers.prefetch_factor is None) == (count == 0)


def test_the_shared_memory_of_a_container_limits_them() -> None:
    docker = FreeMemory(main=64 * GIB, shared=64 * MIB)
    workers = choose(docker)
    assert workers.count == 0
    assert workers.warning == (
        "No worker process prepares batches, instead of 8: a batch takes up to 100 MiB, and there "
        "are only 64 MiB of shared memory (/dev/shm; in a container, --shm-size) free"
    )
    assert choose(docker, batch_bytes=lambda: MIB).count == 8
    kept = choose(docker, dataloader_num_workers=4)  # the user's own number
    assert kept.count == 4
    assert (kept.warning or "").startswith("training.dataloader_num_workers is 4, and a batch")


def test_main_memory_limits_them_and_every_rank_counts() -> None:
    free = FreeMemory(main=8 * WORKER_BYTES, shared=None)
    assert choose(free, batch_bytes=lambda: 0).count == 4
    assert choose(free, batch_bytes=lambda: 0, num_processes=2).count == 2
    fewer = choose(free, batch_bytes=lambda: MIB)
    assert fewer.count == 3
    assert "3 worker processes prepare batches, instead of 8" in (fewer.warning or "")
    assert choose(FreeMemory(main=None, shared=None)).count == 8  # not known


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="/proc tells the children")
def test_workers_end_with_a_killed_job() -> None:
    read_fd, write_fd = os.pipe()

    def work() -> None:
        loader = torch.utils.data.DataLoader(
            range(8),  # pyright: ignore[reportArgumentType] - a sequence will do
            num_workers=2,
            persistent_workers=True,
            worker_init_fn=worker_start(),
        )
        next(iter(loader))
        os.write(write_fd, b"ready")
        signal.pause()

    pid = fork(work)
    assert os.read(read_fd, 5) == b"ready"
    workers = _children(pid)
    assert len(workers) == 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    # PyTorch's own check for the parent takes 5 seconds.
    wait_until(lambda: not any(map(process.process_start, workers)), seconds=2)


@pytest.mark.slow
def test_workers_and_evaluations_change_no_loss_over_epochs(run: Run) -> None:
    """5 steps an epoch: workers that persist are started once, others in every epoch."""
    changes: dict[str, Any] = {
        "training__max_steps": 12,
        "training__eval_steps": 2,
        "training__generate_eval_samples": 0,
        "data__eval_fraction": 0.2,
        "lora__lora_dropout": 0.3,
        "data__max_length": 256,
    }
    before = set(_children(os.getpid()))  # processes of other tests
    alone = run(**changes)
    helped = run(**changes, training__dataloader_num_workers=2)
    assert alone.verdict == helped.verdict == "completed", helped.failure
    assert alone.losses == helped.losses
    evaluated = [
        [e.data["eval_loss"] for e in ran.of("metric") if "eval_loss" in e.data]
        for ran in (alone, helped)
    ]
    assert evaluated[0] == evaluated[1]
    gc.collect()  # the trainer, whose loader ends its workers, is part of a cycle
    wait_until(lambda: set(_children(os.getpid())) <= before)
