"""Several processes at work on a dataset, and what becomes of it when one is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.errors import FlawError, ShardLost
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write

SHARD = {"shard_size": 40}
# Long enough that a look at the processes finds them in the middle of a shard.
LONG = "Document {}. " + "word " * 1000


class Killer(Recorder):
    """Kills a process that draws, so many times, when it has drawn something."""

    def __init__(self, kills: int) -> None:
        super().__init__()
        self.left = kills

    def progress(self, done: int, total: int | None, unit: str) -> None:
        super().progress(done, total, unit)
        # Between two whole shards: some process is in the middle of one.
        if self.left and done % SHARD["shard_size"]:
            self.left -= 1
            for child in multiprocessing.active_children():
                if child.pid is not None:
                    os.kill(child.pid, signal.SIGKILL)


@pytest.fixture
def settings(tmp_path: Path) -> DatasetConfig:
    source = write(tmp_path / "a.jsonl", numbered(80, LONG))
    return config(source, num_proc=2, output=SHARD)


def test_the_shards_of_killed_processes_are_made_again(tmp_path: Path, settings: DatasetConfig):
    listener = Killer(1)
    assert generate(settings, tmp_path / "out", listener) == "completed"
    assert listener.left == 0
    # What the killed processes had done is taken back, and done again.
    assert any(
        later < sooner
        for (sooner, _), (later, _) in zip(listener.done, listener.done[1:], strict=False)
    )
    assert listener.done[-1] == (80, 80)
    generate(settings.model_copy(update={"num_proc": 1}), tmp_path / "one", Recorder())
    assert files(tmp_path / "out") == files(tmp_path / "one")


def test_a_shard_that_is_lost_twice_is_named(tmp_path: Path, settings: DatasetConfig):
    with pytest.raises(ShardLost, match=r"shard train-0000\d \(documents d\d+ to d\d+\)") as caught:
        generate(settings, tmp_path / "out", Killer(100))
    assert "killed by SIGKILL" in caught.value.message
    assert "num_proc" in caught.value.advice
    assert not multiprocessing.active_children()
    assert not list((tmp_path / "out.partial" / SHARDS).glob(".*"))
    assert generate(settings, tmp_path / "out", Recorder()) == "completed"


def test_documents_are_counted_while_shards_are_made(tmp_path: Path, settings: DatasetConfig):
    listener = Recorder()
    generate(settings, tmp_path / "out", listener)
    assert any(done % SHARD["shard_size"] for done, _ in listener.done)
    assert [done for done, _ in listener.done] == sorted(done for done, _ in listener.done)


class Impatient(Recorder):
    """Asks to stop after a shard, and a moment later at once."""

    def stop_requested(self) -> str | None:
        at_work = [done for done, _ in self.done if done]
        if not at_work:
            return None
        return "stop" if len(at_work) > 1 else "stop-after-checkpoint"


def test_a_second_request_ends_what_the_first_let_be_finished(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(6000, "Document {}. " + "word " * 60))
    settings = config(source, num_proc=2, output={"shard_size": 3000})
    listener = Impatient()
    assert generate(settings, tmp_path / "out", listener) == "stopped"
    assert 0 < listener.done[-1][0] < 3000
    assert not list((tmp_path / "out.partial" / SHARDS).iterdir())


def test_an_error_in_a_process_is_raised_here_and_ends_all(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", {**numbered(100), "boxes": "日本"})
    settings = config(source, num_proc=2, output={"shard_size": 10})
    with pytest.raises(FlawError, match="document boxes"):
        generate(settings, tmp_path / "out", Recorder())
    assert not multiprocessing.active_children()
