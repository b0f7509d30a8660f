"""Rows come from the given folder, not from a cache of another, and are split by document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import datasets.config
import pytest

from deepsynth_tui.config.data import DataSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.data.dataset import Rows, group_shuffle_split, load_split
from tests.training.conftest import configuration

CARD = '---\nconfigs: [{config_name: default, data_files: [{split: train, path: "data/*"}]}]\n---\n'


def write(folder: Path, target: str) -> DataSettings:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(CARD)
    rows = datasets.Dataset.from_dict({"text": ["a"], "target": [target]})
    rows.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    return DataSettings(path=str(folder))


def target_of(data: DataSettings) -> str:
    return load_split(TrainingConfig(data=data), images=False).train[0].answer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_two_folders_of_the_same_name(tmp_path: Path):
    first = write(tmp_path / "first" / "dataset", "one")
    second = write(tmp_path / "second" / "dataset", "two")
    assert target_of(first) == "one"
    assert target_of(second) == "two"


def test_a_folder_that_was_written_again(tmp_path: Path):
    assert target_of(write(tmp_path / "dataset", "one")) == "one"
    assert target_of(write(tmp_path / "dataset", "a longer one")) == "a longer one"


def test_split_keeps_documents_together() -> None:
    groups = [number // 3 for number in range(30)]
    train, held_out = group_shuffle_split(groups, 0.2, seed=1)

    assert sorted(train + held_out) == list(range(30))
    assert len(held_out) == 6
    assert not {groups[i] for i in train} & {groups[i] for i in held_out}
    assert group_shuffle_split(groups, 0.2, seed=1) == (train, held_out)
    assert group_shuffle_split(groups, 0.2, seed=2) != (train, held_out)


def test_sample_limits(values: dict[str, Any]) -> None:
    config = configuration(
        values, data__eval_fraction=0.4, data__max_train_samples=3, data__max_eval_samples=2
    )
    loaded = load_split(config, images=True)
    assert (len(loaded.train), len(loaded.held_out)) == (3, 2)
    assert isinstance(loaded.train, Rows)
    assert isinstance(loaded.train[0].images[0]["bytes"], bytes)  # not decoded yet
