"""Rows come from the folder that was named, not from another that `datasets` remembers."""

from __future__ import annotations

from pathlib import Path

import datasets
import datasets.config
import pytest

from deepsynth_tui.config.training import DataSettings
from deepsynth_tui.training.data.dataset import load_rows

CARD = '---\nconfigs: [{config_name: default, data_files: [{split: train, path: "data/*"}]}]\n---\n'


def write(folder: Path, target: str) -> DataSettings:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(CARD)
    rows = datasets.Dataset.from_dict({"text": ["a"], "target": [target]})
    rows.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    return DataSettings(path=str(folder))


def target_of(data: DataSettings) -> str:
    return load_rows(data, images=False).train[0]["target"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_two_folders_of_one_name(tmp_path: Path):
    first = write(tmp_path / "first" / "dataset", "one")
    second = write(tmp_path / "second" / "dataset", "two")
    assert target_of(first) == "one"
    assert target_of(second) == "two"


def test_a_folder_that_was_written_again(tmp_path: Path):
    assert target_of(write(tmp_path / "dataset", "one")) == "one"
    assert target_of(write(tmp_path / "dataset", "a longer one")) == "a longer one"
