"""Shards made by processes of this machine, each of which makes one at a time."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import DatasetError
from deepsynth_tui.dataset.writing import shards
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.inline_backend import LostShard
from deepsynth_tui.dataset.writing.shards import Count, Shard, write_shard

# Forked from a process of their own that does nothing but import, which would take each of them
# 0.3 s: a copy of this one, whose threads may hold locks, could hang.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([shards.__name__])


class ProcessPoolBackend(AbstractContextManager["ProcessPoolBackend"]):
    """`config.num_proc` processes. They end when this one does, however it ends."""

    def __init__(self, config: DatasetConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Start all of them: a process takes longer to start than to be asked to."""
        self._workers += [self._new_worker() for _ in range(self._config.num_proc)]
        return self

    def __exit__(self, *error: object) -> None:
        """End the processes where they are: a shard is whole or not there."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()

    @property
    def free(self) -> int:
        """How many processes have nothing to do, or are to be replaced."""
        return self._config.num_proc - self.busy

    @property
    def busy(self) -> int:
        """How many processes are making a shard."""
        return sum(worker.group is not None for worker in self._workers)

    def documents_done(self) -> int:
        """How many documents of the shards being made are done."""
        return sum(worker.done for worker in self._workers)

    def begin(self, group: DocumentBatch) -> None:
        """Hand `group` to a process that has nothing to do; a lost one is replaced first."""
        if self.busy == len(self._workers):
            self._workers.append(self._new_worker())
        next(worker for worker in self._workers if worker.group is None).take(group)

    def finished(self, seconds: float) -> Sequence[Shard | LostShard]:
        """Wait at most `seconds` for processes to have something to say, or to be gone."""
        busy = [worker for worker in self._workers if worker.group is not None]
        # A process that is gone leaves its end of the connection closed, which counts as ready.
        ready = wait([worker.connection for worker in busy], seconds)
        return [self._hear(worker) for worker in busy if worker.connection in ready]

    def _new_worker(self) -> _Worker:
        return _Worker(self._config, self._folder)

    def _hear(self, worker: _Worker) -> Shard | LostShard:
        group = worker.group
        assert group is not None  # only those that make a shard are listened to
        try:
            said = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            self._workers.remove(worker)
            return LostShard(group, _ending(worker.process.exitcode))
        worker.group = None
        worker.counted.value = 0
        if isinstance(said, BaseException):
            raise said
        return said


class _Worker:
    """A process, and what it is doing: `group` is None when it has nothing to do."""

    def __init__(self, config: DatasetConfig, folder: Path) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.counted = _CONTEXT.RawValue(ctypes.c_uint64)
        self.group: DocumentBatch | None = None
        self.process = _CONTEXT.Process(
            target=_work, args=(theirs, self.counted, config, folder), daemon=True
        )
        self.process.start()
        # With the only other end in the process, its death is the end of the connection.
        theirs.close()

    @property
    def done(self) -> int:
        """How many documents of the group are done."""
        return self.counted.value

    def take(self, group: DocumentBatch) -> None:
        """Send the process a group. One that is gone is noticed when it is listened to."""
        self.group = group
        try:
            self.connection.send(group)
        except (BrokenPipeError, ConnectionResetError):
            return


def _work(
    connection: Connection, counted: ctypes.c_uint64, config: DatasetConfig, folder: Path
) -> None:
    """Make a shard of each group that comes, and send back what is known of it, or the error."""
    _leave_with_parent()

    def count(done: int) -> None:
        counted.value = done

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        while True:
            connection.send(_answer(connection.recv(), config, folder, count))


def _answer(
    group: DocumentBatch, config: DatasetConfig, folder: Path, count: Count
) -> Shard | Exception:
    try:
        return write_shard(group, config, folder, count)
    except Exception as error:  # noqa: BLE001 - the process boundary: raised again in the parent
        if not isinstance(error, DatasetError):
            traceback.print_exc()
        return error


def _leave_with_parent() -> None:
    """Make this process end when its parent does, and only then: signals are for the parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent,), daemon=True).start()


def _wait_and_exit(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _ending(code: int | None) -> str:
    """Return how a process ended, for people."""
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
