"""The same dataset with Ray, on a cluster of two CPUs started here."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from ray._private.node import Node
from ray.cluster_utils import Cluster

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import EngineError, FlawError
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write

OUTPUT = {"shard_size": 20, "eval_fraction": 0.2}


class Killer(Recorder):
    """Kills a worker `kills` times."""

    def __init__(self, kills: int) -> None:
        super().__init__()
        self.kills_left = kills

    def progress(self, done: int, total: int | None, unit: str) -> None:
        super().progress(done, total, unit)
        for pid in workers()[:1] if self.kills_left else ():
            self.kills_left -= 1
            os.kill(pid, signal.SIGKILL)


class NodeKiller(Recorder):
    """Kills a node once it writes a shard: its raylet and all its workers."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        self.is_killed = False

    def progress(self, done: int, total: int | None, unit: str) -> None:
        super().progress(done, total, unit)
        if self.is_killed:
            return
        children = self.raylet.children(recursive=True)
        if any(is_writing(child.cmdline()) for child in children if child.is_running()):
            self.is_killed = True
            for process in (self.raylet, *children):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


def is_writing(command: Sequence[str] | None) -> bool:
    """Return whether the process writes a shard: Ray names a process after its task."""
    return "".join(command or ()).startswith("ray::_write_shard")


def workers() -> list[int]:
    """Return the processes that are writing a shard."""
    return [
        process.pid
        for process in psutil.process_iter(["pid", "cmdline"])
        if is_writing(process.info["cmdline"])
    ]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A running cluster with one node."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    running = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    yield running
    running.shutdown()


@pytest.fixture
def cluster(nodes: Cluster) -> str:
    """The address of that cluster."""
    assert nodes.address
    return nodes.address


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "a.jsonl", numbered(80, "Document {}. " + "word " * 1000))


def on_ray(source: Path) -> DatasetConfig:
    return config(source, engine="ray", num_proc=2, output=OUTPUT)


def test_a_killed_worker_does_not_change_the_dataset(
    tmp_path: Path, source: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    recorder = Killer(1)
    before = signal.getsignal(signal.SIGTERM)
    assert generate(on_ray(source), tmp_path / "out", recorder) == "completed"
    assert recorder.kills_left == 0
    assert recorder.done[-1] == (80, 80)
    assert any(done % 20 > 0 for done, _ in recorder.done)
    assert signal.getsignal(signal.SIGTERM) == before
    generate(config(source, output=OUTPUT), tmp_path / "local", Recorder())
    assert files(tmp_path / "out") == files(tmp_path / "local")


def test_a_lost_node_does_not_change_the_dataset(
    tmp_path: Path, source: Path, nodes: Cluster, cluster: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    recorder = NodeKiller(nodes.add_node(num_cpus=2))
    assert generate(on_ray(source), tmp_path / "out", recorder) == "completed"
    assert recorder.is_killed
    assert recorder.done[-1] == (80, 80)
    generate(config(source, output=OUTPUT), tmp_path / "local", Recorder())
    assert files(tmp_path / "out") == files(tmp_path / "local")


def test_a_stopped_run_resumes_without_ray(
    tmp_path: Path, source: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    recorder = Recorder(stop="stop", stop_after=41)
    assert generate(on_ray(source), tmp_path / "out", recorder) == "stopped"
    assert list((tmp_path / "out.partial" / SHARDS).glob("*.json"))
    again = Recorder()
    assert generate(config(source, output=OUTPUT), tmp_path / "out", again) == "completed"
    assert again.done[0][0] > 0


def test_the_error_of_a_task_is_raised_unwrapped(
    tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    source = write(tmp_path / "a.jsonl", {**numbered(50), "boxes": "日本"})
    with pytest.raises(FlawError, match="document boxes has 2") as caught:
        generate(on_ray(source), tmp_path / "out", Recorder())
    assert type(caught.value) is FlawError


def test_unreachable_cluster(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1") as caught:
        generate(on_ray(source), tmp_path / "out", Recorder())
    assert caught.value.key == "engine"


LISTENING = """
import ipaddress, json, sys, psutil, ray
from deepsynth_tui.dataset.writing.ray_backend import start_cluster
start_cluster(1)
assert ray.get(ray.remote(lambda: 3).remote()) == 3
processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
sockets = [c for process in processes for c in process.net_connections()]
json.dump([c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN], sys.stdout)
"""


def test_a_cluster_of_our_own_listens_on_loopback_only():
    done = subprocess.run(
        [sys.executable, "-c", LISTENING],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    hosts = [ipaddress.ip_address(host) for host in json.loads(done.stdout)]
    assert hosts
    for host in hosts:
        assert (getattr(host, "ipv4_mapped", None) or host).is_loopback
