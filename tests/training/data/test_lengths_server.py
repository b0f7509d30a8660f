"""Row lengths before the start: counted as the trainer encodes rows, or a note says how many."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.training.data import lengths_client
from deepsynth_tui.training.data import measure_rows as measuring
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.dataset import Rows, load_split
from deepsynth_tui.training.data.lengths_client import (
    RowStatisticsError,
    cache_path,
    cached_row_statistics,
    request_row_statistics,
)
from deepsynth_tui.training.data.lengths_server import row_statistics
from deepsynth_tui.training.data.measure_rows import measure_rows
from deepsynth_tui.training.data.sample_rows import (
    character_counts,
    evenly_spaced_sample,
    list_lengths,
)
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training.conftest import configuration
from tests.training.small_datasets import row, write
from tests.training.small_models import IMAGE_TOKENS


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """40 rows of one to three pages of two sizes; row 27 has by far the longest answer."""
    rows = [row(number, pages=1 + number % 3, side=64 + 16 * (number % 2)) for number in range(40)]
    rows[27]["target"] = "a long answer " * 30
    return write(tmp_path / "varied", rows)


def open_rows(values: dict[str, Any], **changes: Any) -> tuple[Rows, Collator]:
    config = configuration(values, **changes)
    preprocessor = load_preprocessor(config, local_files_only=True)
    return load_split(config, images=True).train, Collator(preprocessor, config)


def test_without_weights_rows_are_as_long_as_with_them(values: dict[str, Any], varied: Path):
    rows, collator = open_rows(values, data__path=str(varied))
    trained = Collator(load_model_and_processor(collator.config), collator.config)
    exact = sorted(
        trained.encode([trained.render(rows[i])])["input_ids"].shape[1] for i in range(len(rows))
    )
    statistics = measure_rows(rows, collator, max_seconds=60)
    assert list(statistics.lengths) == exact
    assert (statistics.rows, statistics.counted, statistics.note) == (40, 40, "")
    assert (statistics.page, statistics.pages) == (PageSize(80, 80), 3)
    (page,) = collator.render(rows[27]).example.images
    assert page
    marks = 3  # around and before the page; one placeholder of it is in the text already
    assert statistics.text == exact[-1] - (IMAGE_TOKENS + marks - 1)


def test_a_sample_of_many_rows_includes_the_longest(
    values: dict[str, Any], varied: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(measuring, "MAX_ROWS_COUNTED", 12)
    monkeypatch.setattr(measuring, "LIKELY_LONGEST", 4)
    rows, collator = open_rows(values, data__path=str(varied))
    statistics = measure_rows(rows, collator, max_seconds=60)
    assert (
        statistics.lengths[-1] == collator.encode([collator.render(rows[27])])["input_ids"].shape[1]
    )
    assert 8 <= statistics.counted <= 12
    # Row 27 has both the most text and the most pages of its kind: three rows in all.
    assert statistics.note.startswith(
        f"{statistics.counted} of 40 rows were counted, among them 3 with most"
    )


def test_out_of_time_the_note_gives_the_number_counted(values: dict[str, Any], varied: Path):
    statistics = measure_rows(*open_rows(values, data__path=str(varied)), max_seconds=0)
    assert (statistics.counted, len(statistics.lengths), statistics.rows) == (1, 1, 40)
    assert statistics.note == "1 of 40 rows were counted: a longer one is possible."


def test_without_processor_only_rows_are_counted(
    values: dict[str, Any], vision_model: Path, tmp_path: Path
):
    (tmp_path / "bare").mkdir()
    config_json = (vision_model / "config.json").read_text()
    (tmp_path / "bare" / "config.json").write_text(config_json)
    statistics = row_statistics(configuration(values, model__name_or_path=str(tmp_path / "bare")))
    assert statistics.rows == 10
    assert not statistics.lengths
    assert statistics.note.startswith("No row was counted")


def test_strings_are_measured_at_any_depth():
    turns = [{"role": "user", "parts": [{"text": "abc", "n": 1}, {"text": None, "n": 2}]}]
    column = pa.array([turns, [], None, turns * 2])
    assert character_counts(column).tolist() == [7, 0, 0, 14]
    assert character_counts(column[1:]).tolist() == [0, 0, 14]
    assert character_counts(pa.array(["é", None, ""])).tolist() == [1, 0, 0]
    assert character_counts(pa.array([b"abc"])).tolist() == [0]
    assert list_lengths(column).tolist() == [1, 0, 0, 2]
    assert list_lengths(pa.array([b"x", None])).tolist() == [1, 0]


def test_a_sample_is_evenly_spaced_and_shuffled():
    sample = evenly_spaced_sample(1000, 10, seed=1)
    assert sorted(sample) == list(range(0, 1000, 100))
    assert sample != sorted(sample)
    assert sorted(evenly_spaced_sample(3, 10, seed=1)) == [0, 1, 2]


def test_rows_are_counted_by_a_process_and_cached(
    values: dict[str, Any], dataset: Path, monkeypatch: pytest.MonkeyPatch
):
    config = configuration(values)
    assert cached_row_statistics(config) is None
    statistics = request_row_statistics(config)
    rows, collator = open_rows(values)
    assert statistics == measure_rows(rows, collator, max_seconds=60)
    monkeypatch.setattr(lengths_client, "ask", None)  # no child process is asked again
    assert request_row_statistics(config) == cached_row_statistics(config) == statistics
    longer = configuration(values, data__max_length=999, training__per_device_train_batch_size=5)
    assert cached_row_statistics(longer) == statistics


def test_the_cache_name_covers_what_lengths_depend_on(values: dict[str, Any], dataset: Path):
    config = configuration(values)
    path = cache_path(config)
    for changes in (
        {"data__instruction": "Read."},
        {"data__max_train_samples": 3},
        {"model__max_pixels": 1000},
        {"model__name_or_path": "other/model"},
    ):
        assert cache_path(configuration(values, **changes)) != path
    shard = next(dataset.rglob("*.parquet"))
    state = shard.stat()
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert cache_path(config) != path
    os.utime(shard, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert cache_path(configuration(values, data__path="owner/name")) is None


def test_a_missing_dataset_starts_no_process(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lengths_client, "ask", None)
    for path in ("/nowhere/at/all", "no-such-run"):
        with pytest.raises(RowStatisticsError, match="not a folder and not a run"):
            request_row_statistics(configuration(values, data__path=path))


def test_nothing_is_downloaded_for_an_estimate(values: dict[str, Any]):
    statistics = request_row_statistics(configuration(values, data__path="owner/name"))
    assert statistics == RowStatistics(
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
