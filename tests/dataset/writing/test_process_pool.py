"""Several worker processes, some of which are killed."""

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
# Long enough that a progress report falls into the middle of a shard.
LONG = "Document {}. " + "word " * 1000


class Killer(Recorder):
    """Kills the workers `kills` times, after some progress."""

    def __init__(self, kills: int) -> None:
        super().__init__()
        self.kills_left = kills

    def progress(self, done: int, total: int | None, unit: str) -> None:
        super().progress(done, total, unit)
        # Not a multiple of the shard size: a worker is in the middle of a shard.
        if self.kills_left and done % SHARD["shard_size"]:
            self.kills_left -= 1
            for child in multiprocessing.active_children():
                if child.pid is not None:
                    os.kill(child.pid, signal.SIGKILL)


@pytest.fixture
def settings(tmp_path: Path) -> DatasetConfig:
    source = write(tmp_path / "a.jsonl", numbered(80, LONG))
    return config(source, num_proc=2, output=SHARD)


def test_shards_of_killed_workers_are_written_again(tmp_path: Path, settings: DatasetConfig):
    recorder = Killer(1)
    assert generate(settings, tmp_path / "out", recorder) == "completed"
    assert recorder.kills_left == 0
    # Progress drops by what the killed workers had done.
    assert any(
        later < sooner
        for (sooner, _), (later, _) in zip(recorder.done, recorder.done[1:], strict=False)
    )
    assert recorder.done[-1] == (80, 80)
    generate(settings.model_copy(update={"num_proc": 1}), tmp_path / "one", Recorder())
    assert files(tmp_path / "out") == files(tmp_path / "one")


def test_a_shard_lost_twice_is_an_error(tmp_path: Path, settings: DatasetConfig):
    with pytest.raises(ShardLost, match=r"shard train-0000\d \(documents d\d+ to d\d+\)") as caught:
        generate(settings, tmp_path / "out", Killer(100))
    assert "killed by SIGKILL" in caught.value.message
    assert "num_proc" in caught.value.advice
    assert not multiprocessing.active_children()
    assert not list((tmp_path / "out.partial" / SHARDS).glob(".*"))
    assert generate(settings, tmp_path / "out", Recorder()) == "completed"


def test_progress_counts_the_documents_of_unfinished_shards(
    tmp_path: Path, settings: DatasetConfig
):
    recorder = Recorder()
    generate(settings, tmp_path / "out", recorder)
    assert any(done % SHARD["shard_size"] for done, _ in recorder.done)
    assert [done for done, _ in recorder.done] == sorted(done for done, _ in recorder.done)


class TwoStops(Recorder):
    """Requests a stop after the current shards, then an immediate one."""

    def stop_requested(self) -> str | None:
        reports = [done for done, _ in self.done if done]
        if not reports:
            return None
        return "stop" if len(reports) > 1 else "stop-after-checkpoint"


def test_a_second_stop_request_abandons_the_current_shards(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", numbered(6000, "Document {}. " + "word " * 60))
    settings = config(source, num_proc=2, output={"shard_size": 3000})
    recorder = TwoStops()
    assert generate(settings, tmp_path / "out", recorder) == "stopped"
    assert 0 < recorder.done[-1][0] < 3000
    assert not list((tmp_path / "out.partial" / SHARDS).iterdir())


def test_an_error_in_a_worker_is_raised_and_ends_the_others(tmp_path: Path):
    source = write(tmp_path / "a.jsonl", {**numbered(100), "boxes": "日本"})
    settings = config(source, num_proc=2, output={"shard_size": 10})
    with pytest.raises(FlawError, match="document boxes"):
        generate(settings, tmp_path / "out", Recorder())
    assert not multiprocessing.active_children()
