"""How long the rows are, before the start: counted as the trainer encodes them, or it says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.training.data import lengths_client, lengths_server
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.dataset import Rows, load_rows
from deepsynth_tui.training.data.lengths_client import (
    RowStatisticsError,
    cache_path,
    load,
    request_row_statistics,
)
from deepsynth_tui.training.data.lengths_server import count, facts
from deepsynth_tui.training.data.sample_rows import characters, entries, even_sample
from deepsynth_tui.training.modeling.load import load_base, load_reader
from tests.training.conftest import configuration
from tests.training.small_datasets import row, write
from tests.training.small_models import IMAGE_TOKENS


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """40 rows of one to three pages of two sizes; row 27 has by far the longest answer."""
    rows = [row(number, pages=1 + number % 3, side=64 + 16 * (number % 2)) for number in range(40)]
    rows[27]["target"] = "a long answer " * 30
    return write(tmp_path / "varied", rows)


def opened(values: dict[str, Any], **changes: Any) -> tuple[Rows, Collator]:
    config = configuration(values, **changes)
    reader = load_reader(config, local_files_only=True)
    return load_rows(config.data, images=True).train, Collator(reader, config)


def test_without_weights_rows_are_as_long_as_with_them(values: dict[str, Any], varied: Path):
    rows, batcher = opened(values, data__path=str(varied))
    trained = Collator(load_base(batcher.config), batcher.config)
    exact = sorted(
        trained.encode([trained.render(rows[i])])["input_ids"].shape[1] for i in range(len(rows))
    )
    found = count(rows, batcher, seconds=60)
    assert list(found.lengths) == exact
    assert (found.rows, found.counted, found.note) == (40, 40, "")
    assert (found.page, found.pages) == (PageSize(80, 80), 3)
    (page,) = batcher.render(rows[27]).conversation.images
    assert page
    marks = 3  # around and before the page; one placeholder of it is in the text already
    assert found.text == exact[-1] - (IMAGE_TOKENS + marks - 1)


def test_of_many_rows_the_longest_are_among_those_counted(
    values: dict[str, Any], varied: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lengths_server, "ALL_ROWS", 12)
    monkeypatch.setattr(lengths_server, "LIKELY_LONGEST", 4)
    rows, batcher = opened(values, data__path=str(varied))
    found = count(rows, batcher, seconds=60)
    assert found.lengths[-1] == batcher.encode([batcher.render(rows[27])])["input_ids"].shape[1]
    assert 8 <= found.counted <= 12
    # Row 27 has both the most text and the most pages of its kind: three rows in all.
    assert found.note.startswith(f"{found.counted} of 40 rows were counted, among them 3 with most")


def test_out_of_time_it_says_how_far_it_came(values: dict[str, Any], varied: Path):
    found = count(*opened(values, data__path=str(varied)), seconds=0)
    assert (found.counted, len(found.lengths), found.rows) == (1, 1, 40)
    assert found.note == "1 of 40 rows were counted: a longer one is possible."


def test_a_model_without_processor_leaves_the_number_of_rows(
    values: dict[str, Any], vision_model: Path, tmp_path: Path
):
    (tmp_path / "bare").mkdir()
    config_json = (vision_model / "config.json").read_text()
    (tmp_path / "bare" / "config.json").write_text(config_json)
    found = facts(configuration(values, model__name_or_path=str(tmp_path / "bare")))
    assert found.rows == 10
    assert not found.lengths
    assert found.note.startswith("No row was counted")


def test_strings_are_measured_however_deep_they_lie():
    turns = [{"role": "user", "parts": [{"text": "abc", "n": 1}, {"text": None, "n": 2}]}]
    column = pa.array([turns, [], None, turns * 2])
    assert characters(column).tolist() == [7, 0, 0, 14]
    assert characters(column[1:]).tolist() == [0, 0, 14]
    assert characters(pa.array(["é", None, ""])).tolist() == [1, 0, 0]
    assert characters(pa.array([b"abc"])).tolist() == [0]
    assert entries(column).tolist() == [1, 0, 0, 2]
    assert entries(pa.array([b"x", None])).tolist() == [1, 0]


def test_a_sample_is_even_and_any_beginning_of_it_is_mixed():
    chosen = even_sample(1000, 10, seed=1)
    assert sorted(chosen) == list(range(0, 1000, 100))
    assert chosen != sorted(chosen)
    assert sorted(even_sample(3, 10, seed=1)) == [0, 1, 2]


def test_counted_once_by_a_process_and_then_remembered(
    values: dict[str, Any], dataset: Path, monkeypatch: pytest.MonkeyPatch
):
    config = configuration(values)
    assert load(config) is None
    found = request_row_statistics(config)
    rows, batcher = opened(values)
    assert found == count(rows, batcher, seconds=60)
    monkeypatch.setattr(lengths_client, "ask", None)  # nothing is asked again
    assert request_row_statistics(config) == load(config) == found
    longer = configuration(values, data__max_length=999, training__per_device_train_batch_size=5)
    assert load(longer) == found


def test_what_lengths_depend_on_is_in_the_name_of_the_cache(values: dict[str, Any], dataset: Path):
    config = configuration(values)
    known = cache_path(config)
    for changes in (
        {"data__instruction": "Read."},
        {"data__max_train_samples": 3},
        {"model__max_pixels": 1000},
        {"model__name_or_path": "other/model"},
    ):
        assert cache_path(configuration(values, **changes)) != known
    shard = next(dataset.rglob("*.parquet"))
    state = shard.stat()
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert cache_path(config) != known
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert cache_path(configuration(values, data__path="owner/name")) is None


def test_a_dataset_that_is_not_there_needs_no_process(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lengths_client, "ask", None)
    for path in ("/nowhere/at/all", "no-such-run"):
        with pytest.raises(RowStatisticsError, match="no folder and no run"):
            request_row_statistics(configuration(values, data__path=path))


def test_nothing_is_downloaded_for_an_estimate(values: dict[str, Any]):
    found = request_row_statistics(configuration(values, data__path="owner/name"))
    assert found == RowStatistics(
        note="No row was counted: owner/name is not on this machine, and an estimate downloads "
        "no dataset."
    )
    assert (
        request_row_statistics(configuration(values).model_copy(update={"data": UNSET}))
        is UNKNOWN_ROWS
    )


UNSET = configuration(
    {"kind": "training", "model": {"name_or_path": "x"}, "data": {"path": "x"}}
).data.model_copy(update={"path": ""})
