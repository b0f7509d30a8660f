"""The backend for `num_proc` > 1: worker processes on this machine, each writing one shard."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import DatasetError
from deepsynth_tui.dataset.writing import shards
from deepsynth_tui.dataset.writing.backends import LostShard
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import Shard, write_shard

# Workers are forked from a server process that has done nothing but import `shards`, which takes
# 0.3 s. A fork of the job itself could hang on locks that its threads hold.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([shards.__name__])


class ProcessPoolBackend(AbstractContextManager["ProcessPoolBackend"]):
    """`config.num_proc` worker processes, which end with this process however it ends.

    `concurrent.futures.ProcessPoolExecutor` is of no use here: it fails as a whole when a process
    is killed, and does not tell which of its tasks the process had.
    """

    def __init__(self, config: DatasetConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Start all workers now, so that they start up in parallel."""
        self._workers += [self._new_worker() for _ in range(self._config.num_proc)]
        return self

    def __exit__(self, *error: object) -> None:
        """Kill the workers; a shard is either complete or absent."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()

    @property
    def free(self) -> int:
        """Number of workers that are idle or to be replaced."""
        return self._config.num_proc - self.running

    @property
    def running(self) -> int:
        """Number of workers that are writing a shard."""
        return sum(worker.batch is not None for worker in self._workers)

    def documents_done(self) -> int:
        """Return how many documents of the running batches are done."""
        return sum(worker.documents_done for worker in self._workers)

    def submit(self, batch: DocumentBatch) -> None:
        """Send `batch` to an idle worker, after replacing a worker that has died."""
        if self.running == len(self._workers):
            self._workers.append(self._new_worker())
        next(worker for worker in self._workers if worker.batch is None).send(batch)

    def wait(self, timeout: float) -> Sequence[Shard | LostShard]:
        """Wait up to `timeout` seconds for workers to answer or to die."""
        busy = [worker for worker in self._workers if worker.batch is not None]
        # The connection of a dead worker is at its end, which counts as ready.
        ready = multiprocessing.connection.wait([worker.connection for worker in busy], timeout)
        return [self._receive(worker) for worker in busy if worker.connection in ready]

    def _new_worker(self) -> _Worker:
        return _Worker(self._config, self._folder)

    def _receive(self, worker: _Worker) -> Shard | LostShard:
        batch = worker.batch
        assert batch is not None  # `wait` looks at busy workers only
        try:
            result = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            self._workers.remove(worker)
            return LostShard(batch, _exit_reason(worker.process.exitcode))
        worker.batch = None
        worker.counter.value = 0
        if isinstance(result, BaseException):
            raise result
        return result


class _Worker:
    """A worker process and the batch it works on, None while it is idle."""

    def __init__(self, config: DatasetConfig, folder: Path) -> None:
        self.connection, child_connection = _CONTEXT.Pipe()
        self.counter = _CONTEXT.RawValue(ctypes.c_uint64)
        self.batch: DocumentBatch | None = None
        self.process = _CONTEXT.Process(
            target=_worker_main, args=(child_connection, self.counter, config, folder), daemon=True
        )
        self.process.start()
        # Close our copy of the other end: the connection then ends when the worker dies.
        child_connection.close()

    @property
    def documents_done(self) -> int:
        """Number of documents of the batch that are done."""
        return self.counter.value

    def send(self, batch: DocumentBatch) -> None:
        """Send the worker a batch. If the worker is dead, `wait` notices."""
        self.batch = batch
        try:
            self.connection.send(batch)
        except (BrokenPipeError, ConnectionResetError):
            return


def _worker_main(
    connection: Connection, counter: ctypes.c_uint64, config: DatasetConfig, folder: Path
) -> None:
    """Answer each batch received with its shard, or with the exception that was raised."""
    _exit_with_parent()

    def on_document(done: int) -> None:
        counter.value = done

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        while True:
            connection.send(_shard_or_error(connection.recv(), config, folder, on_document))


def _shard_or_error(
    batch: DocumentBatch,
    config: DatasetConfig,
    folder: Path,
    on_document: Callable[[int], object],
) -> Shard | Exception:
    try:
        return write_shard(batch, config, folder, on_document)
    except Exception as error:  # noqa: BLE001 - the process boundary: raised again in the parent
        if not isinstance(error, DatasetError):
            traceback.print_exc()
        return error


def _exit_with_parent() -> None:
    """Exit when the parent does. Signals sent to the process group are the parent's to handle."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent,), daemon=True).start()


def _wait_and_exit(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _exit_reason(code: int | None) -> str:
    """Return how a process ended, for the user."""
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
