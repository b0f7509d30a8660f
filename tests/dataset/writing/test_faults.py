"""Whichever write, fsync, rename, open or allocation fails: a dataset is whole or absent, and the
next run completes it with the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS, partial_folder
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, files, numbered, write
from tests.runs.fault_injector import faults, file_size_limit

MODES = [
    pytest.param({}, id="once"),
    pytest.param({"lasting": True, "short": True}, id="short and lasting"),
    pytest.param({"no_memory": True}, id="no memory"),
]
SETTINGS: dict[str, Any] = {"output": {"shard_size": 1}}


@pytest.fixture
def settings(tmp_path: Path):
    return config(write(tmp_path / "two.jsonl", numbered(2)), **SETTINGS)


@pytest.fixture
def whole(tmp_path: Path, settings: Any) -> dict[str, bytes]:
    generate(settings, tmp_path / "whole" / "dataset", Recorder())
    return files(tmp_path / "whole" / "dataset")


def check_what_is_left(folder: Path, whole: dict[str, bytes]) -> None:
    if folder.exists():
        assert {n: c for n, c in files(folder).items() if not n.startswith(SHARDS)} == whole
    for path in partial_folder(folder).rglob("[!.]*.parquet"):
        pq.read_table(path)


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_call(
    tmp_path: Path, settings: Any, whole: dict[str, bytes], mode: dict[str, Any]
) -> None:
    for number, injector in enumerate(faults(tmp_path / "out", **mode)):
        folder = tmp_path / "out" / str(number) / "dataset"
        failed = False
        try:
            with injector:
                generate(settings, folder, Recorder())
        except (OSError, MemoryError):
            failed = True
        assert failed == injector.has_failed
        check_what_is_left(folder, whole)
        generate(settings, folder, Recorder())
        assert files(folder) == whole


def test_a_file_that_cannot_grow(tmp_path: Path, settings: Any, whole: dict[str, bytes]) -> None:
    for number, size in enumerate(sorted({len(content) for content in whole.values()} - {0})):
        folder = tmp_path / str(number) / "dataset"
        with pytest.raises(OSError), file_size_limit(size - 1):  # noqa: PT011 - of pyarrow, too
            generate(settings, folder, Recorder())
        check_what_is_left(folder, whole)
        generate(settings, folder, Recorder())
        assert files(folder) == whole
