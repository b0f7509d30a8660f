"""Shards made by Ray, on the cluster that is there, or on one of this machine.

Each shard is a Ray task. Ray Data would serve a source that the cluster itself reads; here the
parent reads, deals and counts duplicates, and Ray Data takes such documents only all at once
(`from_items`), in its object store. Tasks are begun as others end, so that memory stays flat, a
request to stop is heard between documents, and a task whose process is killed is told from one
that failed.
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
from deepsynth_tui.dataset.writing.document_batches import DocumentBatch
from deepsynth_tui.dataset.writing.inline_backend import LostShard
from deepsynth_tui.dataset.writing.ray_available import check_ray
from deepsynth_tui.dataset.writing.shards import Shard, write_shard

CONNECT_SECONDS = 10.0
REPORTED_EVERY = 20
"""Documents after which a task says how far it is."""


class RayBackend(AbstractContextManager["RayBackend"]):
    """As many tasks as the cluster has CPUs."""

    def __init__(self, config: DatasetConfig, folder: Path) -> None:
        """Raises `EngineError` where Ray is not installed."""
        check_ray()
        self._config = config
        self._folder = folder.absolute()
        self._tasks: dict[Any, DocumentBatch] = {}
        self._done: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Join the cluster. Raises `EngineError` where a machine of it does not see the folder."""
        ray = _ray()
        _join(self._config.num_proc)
        with ExitStack() as on_error:
            on_error.callback(ray.shutdown)
            self._places = max(1, int(ray.cluster_resources().get("CPU", 1)))
            _check_shared(self._folder)
            # Where its machine is lost, it begins anew on another one: figures for a while less.
            counter = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Counter)
            self._counter = counter.remote()
            self._given = ray.put(self._config)
            on_error.pop_all()
        self._make = ray.remote(num_cpus=1, max_retries=0)(_make)
        return self

    def __exit__(self, *error: object) -> None:
        """End the tasks where they are, and leave the cluster."""
        ray = _ray()
        for task in self._tasks:
            ray.cancel(task, force=True)
        ray.shutdown()

    @property
    def free(self) -> int:
        """How many CPUs have no task of ours."""
        return self._places - self.busy

    @property
    def busy(self) -> int:
        """How many shards are being made."""
        return len(self._tasks)

    def documents_done(self) -> int:
        """How many documents of the shards being made are done, as last heard."""
        return sum(self._done.get(group.name, 0) for group in self._tasks.values())

    def begin(self, group: DocumentBatch) -> None:
        """Begin a task; what an earlier one had done of the group counts no more."""
        self._counter.note.remote(group.name, 0)
        self._done.pop(group.name, None)
        task = self._make.remote(group, self._given, str(self._folder), self._counter)
        self._tasks[task] = group

    def finished(self, seconds: float) -> Sequence[Shard | LostShard]:
        """Wait at most `seconds` for tasks to be finished or lost."""
        ray = _ray()
        if not self._tasks:
            return []
        ready, _ = ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        if seconds:
            self._done = ray.get(self._counter.done.remote())
        return [self._hear(task, self._tasks.pop(task)) for task in ready]

    def _hear(self, task: Any, group: DocumentBatch) -> Shard | LostShard:
        ray = _ray()
        gone = ray.exceptions
        try:
            return ray.get(task)
        except gone.RayTaskError as error:
            raise error.cause from error
        except (gone.WorkerCrashedError, gone.NodeDiedError, gone.OutOfMemoryError) as error:
            return LostShard(group, str(error).splitlines()[0])


def _ray() -> Any:
    """Return Ray, which only those have installed who want it."""
    return import_module("ray")


def _make(group: DocumentBatch, config: DatasetConfig, folder: str, counter: Any) -> Shard:
    """The task: `write_shard`, saying now and then how far it is."""

    def count(done: int) -> None:
        if done % REPORTED_EVERY == 0:
            counter.note.remote(group.name, done)

    return write_shard(group, config, Path(folder), count)


class _Counter:
    """The actor that knows how far each task is."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}

    def note(self, name: str, done: int) -> None:
        """`done` documents of the shard `name` are done."""
        self._done[name] = done

    def done(self) -> dict[str, int]:
        """Return how many documents of each shard are done."""
        return self._done


def _join(num_cpus: int) -> None:
    """Join the cluster that `RAY_ADDRESS` names or that runs here, else start one."""
    # Nothing is reported to anyone unless the person has said so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    _check_answers(os.environ.get("RAY_ADDRESS", ""))
    before = signal.getsignal(signal.SIGTERM)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "WARNING"}
    try:
        ray.init(address="auto", **quiet)
    except ConnectionError:
        ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, **quiet)
    finally:
        # Ray takes SIGTERM for itself, and would end the job without a word.
        signal.signal(signal.SIGTERM, before)


def _check_answers(address: str) -> None:
    """Raise `EngineError` where nothing listens at `address`: Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise EngineError(
            f"no Ray cluster answers at {address}: {error.strerror or error}",
            "Start it, or take RAY_ADDRESS out of the environment.",
            "engine",
        ) from error


def _check_shared(folder: Path) -> None:
    """Raise `EngineError` where a machine of the cluster does not see `folder`."""
    ray, strategies = _ray(), import_module("ray.util.scheduling_strategies")
    token = folder / f".seen-{secrets.token_hex(8)}"
    token.touch()
    try:
        sees = ray.remote(num_cpus=0)(_sees)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        there = [
            strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes
        ]
        answers = ray.get([sees.options(scheduling_strategy=at).remote(str(token)) for at in there])
    finally:
        token.unlink()
    blind = [
        node["NodeManagerHostname"] for node, seen in zip(nodes, answers, strict=True) if not seen
    ]
    if blind:
        raise EngineError(
            f"{folder} is not there, or may not be written, on {', '.join(blind)}",
            "Set output.dir to a folder that all machines of the cluster share.",
            "output.dir",
        )


def _sees(path: str) -> bool:
    """Return whether a file is there, in a folder that may be written."""
    return Path(path).exists() and os.access(Path(path).parent, os.W_OK)
