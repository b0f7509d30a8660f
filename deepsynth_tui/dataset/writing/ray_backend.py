"""The backend for `engine: ray`: tasks on a running Ray cluster, or on one started here.

Each shard is a Ray task. Ray Data suits sources that the cluster reads itself; here the job reads
them, splits them into batches and finds duplicates, and `ray.data.from_items` would put all
documents into the object store at once. Submitting tasks as others finish keeps memory use
constant, lets the job stop between two documents, and tells a killed worker from a failed task.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import EngineError
from deepsynth_tui.dataset.writing.backends import LostShard
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.shards import Shard, write_shard

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection to the cluster."""
REPORT_INTERVAL = 20
"""Documents between two progress reports of a task."""
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "WARNING"}
"""Arguments of `ray.init`."""


class RayBackend(AbstractContextManager["RayBackend"]):
    """One task for each CPU of the cluster."""

    def __init__(self, config: DatasetConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder.absolute()
        self._tasks: dict[Any, DocumentBatch] = {}
        self._done: dict[str, int] = {}
        self._asked: Any = None

    def __enter__(self) -> Self:
        """Connect to the cluster.

        Raises:
            EngineError: the cluster does not answer, or one of its nodes does not see the folder.
        """
        ray = _ray()
        _connect(self._config.num_proc)
        with ExitStack() as on_error:
            on_error.callback(ray.shutdown)
            self._count_cpus()
            _check_shared(self._folder)
            # If its node dies, the counter restarts elsewhere, and progress is too low for a while.
            counter = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_ProgressCounter)
            self._counter = counter.remote()
            self._config_ref = ray.put(self._config)
            on_error.pop_all()
        self._write_shard = ray.remote(num_cpus=1, max_retries=0)(_write_shard)
        return self

    def __exit__(self, *error: object) -> None:
        """Kill the running tasks and disconnect from the cluster."""
        ray = _ray()
        for task in self._tasks:
            ray.cancel(task, force=True)
        ray.shutdown()

    @property
    def free(self) -> int:
        """Number of CPUs without a task of this job."""
        return self._cpus - self.running

    @property
    def running(self) -> int:
        """Number of tasks that are writing a shard."""
        return len(self._tasks)

    def documents_done(self) -> int:
        """Return how many documents of the running batches are done, as last reported."""
        return sum(self._done.get(batch.name, 0) for batch in self._tasks.values())

    def submit(self, batch: DocumentBatch) -> None:
        """Start a task, and reset the progress of an earlier attempt at the same batch."""
        self._counter.set.remote(batch.name, 0)
        self._done.pop(batch.name, None)
        task = self._write_shard.remote(batch, self._config_ref, str(self._folder), self._counter)
        self._tasks[task] = batch

    def wait(self, timeout: float) -> Sequence[Shard | LostShard]:
        """Wait up to `timeout` seconds for tasks to finish or to be lost."""
        ray = _ray()
        if not self._tasks:
            return []
        ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=timeout)
        self._read_progress()
        return [self._result(task, self._tasks.pop(task)) for task in ready]

    def _count_cpus(self) -> None:
        self._cpus = max(1, int(_ray().cluster_resources().get("CPU", 1)))

    def _read_progress(self) -> None:
        """Take over the progress once the counter answers, which may take long if its node died."""
        ray = _ray()
        if self._asked is None:
            self._asked = self._counter.values.remote()
        if ray.wait([self._asked], timeout=0)[0]:
            self._done, self._asked = ray.get(self._asked), None

    def _result(self, task: Any, batch: DocumentBatch) -> Shard | LostShard:
        ray = _ray()
        errors = ray.exceptions
        try:
            return ray.get(task)
        except errors.RayTaskError as error:
            raise error.cause from error
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            return LostShard(batch, str(error).splitlines()[0])
        except (errors.NodeDiedError, errors.ObjectLostError) as error:
            self._count_cpus()
            return LostShard(batch, str(error).splitlines()[0], with_node=True)


def _ray() -> Any:
    """Return the optional module `ray`."""
    return import_module("ray")


def _write_shard(batch: DocumentBatch, config: DatasetConfig, folder: str, counter: Any) -> Shard:
    """Run `write_shard` as a Ray task that reports its progress to `counter`."""

    def on_document(done: int) -> None:
        if done % REPORT_INTERVAL == 0:
            counter.set.remote(batch.name, done)

    return write_shard(batch, config, Path(folder), on_document)


class _ProgressCounter:
    """A Ray actor that holds the progress of each task."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}

    def set(self, name: str, done: int) -> None:
        """Record that `done` documents of the shard `name` are done."""
        self._done[name] = done

    def values(self) -> dict[str, int]:
        """Return the number of documents done, by name of the shard."""
        return self._done


def _connect(num_cpus: int) -> None:
    """Connect to the cluster of `RAY_ADDRESS` or of this machine, or start one with `num_cpus`."""
    # Ray sends usage statistics by default; leave that to an explicit choice of the user.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    _check_reachable(os.environ.get("RAY_ADDRESS", ""))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address="auto", **QUIET)
    except ConnectionError:
        start_cluster(num_cpus)
    finally:
        # Ray's own SIGTERM handler exits without letting the job stop in order.
        signal.signal(signal.SIGTERM, handler)


def start_cluster(num_cpus: int) -> None:
    """Start a cluster that can be reached from this machine only, and connect to it.

    Whoever reaches a Ray cluster can run code in it. Ray 2.60 replaces the loopback address by that
    of a network interface, unless clusters of several machines are switched off (the default on
    macOS). Its processes read the variable when they import Ray, which this one has done.
    """
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    constants: Any = import_module("ray._private.ray_constants")
    constants.ENABLE_RAY_CLUSTER = False
    _ray().init(address="local", num_cpus=num_cpus, include_dashboard=False, **QUIET)


def _check_reachable(address: str) -> None:
    """Raise `EngineError` if nothing listens at `address`; Ray itself retries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT).close()
    except OSError as error:
        raise EngineError(
            f"cannot connect to the Ray cluster at {address}: {error.strerror or error}",
            "Start the cluster, or unset RAY_ADDRESS.",
            "engine",
        ) from error


def _check_shared(folder: Path) -> None:
    """Raise `EngineError` unless every node of the cluster can write to `folder`."""
    ray, strategies = _ray(), import_module("ray.util.scheduling_strategies")
    marker = folder / f".seen-{secrets.token_hex(8)}"
    marker.touch()
    try:
        task = ray.remote(num_cpus=0)(_is_writable)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        on_node = [
            strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes
        ]
        writable = ray.get(
            [task.options(scheduling_strategy=strategy).remote(str(marker)) for strategy in on_node]
        )
    finally:
        marker.unlink()
    names = [
        node["NodeManagerHostname"] for node, ok in zip(nodes, writable, strict=True) if not ok
    ]
    if names:
        raise EngineError(
            f"{folder} does not exist or is not writable on {', '.join(names)}",
            "Set output.dir to a folder that all nodes of the cluster share.",
            "output.dir",
        )


def _is_writable(path: str) -> bool:
    """Return whether the file exists and its folder is writable."""
    return Path(path).exists() and os.access(Path(path).parent, os.W_OK)
