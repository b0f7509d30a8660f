"""Rows that cannot be used are counted and named before training, and refused or left out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.count_rows import CountedRows, count_rows, worker_count
from deepsynth_tui.training.data.dataset import Rows, Split, load_split
from deepsynth_tui.training.data.measure_rows import measure_rows
from deepsynth_tui.training.data.select_rows import SelectedRows, select_rows
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import row, write
from tests.training.small_models import qwen3_vl


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    image = Image.new("L", (width, height), 255)
    image.putpixel((0, 0), 0)
    image.save(file, "PNG")
    return file.getvalue()


def _with_page(number: int, content: bytes) -> dict[str, Any]:
    return row(number) | {"images": [{"bytes": content, "path": None}]}


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A processor that refuses pages of an aspect ratio over 200."""
    return qwen3_vl(tmp_path_factory.mktemp("qwen3-vl"))


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 rows, of which numbers 3 to 8 cannot be used and number 9 is blank."""
    rows = [row(number) for number in range(14)]
    whole = rows[3]["images"][0]["bytes"]
    rows[3] = _with_page(3, whole[: len(whole) - 40])
    rows[4] = _with_page(4, b"")
    rows[5] = _with_page(5, b"%PDF-1.7")
    rows[6] = _with_page(6, _png(4000, 10))
    rows[7] |= {"target": "", "messages": []}
    rows[8] = _with_page(8, _png(4000, 10))  # of the same size as another one
    blank = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(blank, "PNG")
    rows[9] = _with_page(9, blank.getvalue())
    return write(tmp_path_factory.mktemp("damaged"), rows)


REASONS = {
    3: "an image cannot be decoded",
    4: "an image cannot be decoded: the file has 0 bytes",
    5: "an image cannot be decoded: its format is unknown",
    6: "the model's processor refuses its pages (4000 x 10 pixels): absolute aspect ratio",
    7: "the answer is empty",
    8: "the model's processor refuses its pages (4000 x 10 pixels)",
}


def _open(values: dict[str, Any], **changes: Any) -> tuple[Rows, Collator]:
    config = configuration(values, **changes)
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    return load_split(config, images=collator.reads_images).train, collator


def _select(values: dict[str, Any], **changes: Any) -> SelectedRows:
    config = configuration(values, **changes)
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    split = load_split(config, images=collator.reads_images)
    selected = select_rows(split, collator, report=lambda _: True)
    assert selected is not None
    return selected


@pytest.fixture
def changes(qwen: Path, damaged: Path) -> dict[str, Any]:
    return {"model__name_or_path": str(qwen), "data__path": str(damaged)}


def test_all_bad_rows_are_counted_and_the_first_named(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError) as refused:
        _select(values, **changes)
    message = refused.value.message
    assert message.startswith("6 of 14 rows cannot be used: row 3 (document doc-3): an image")
    assert message.endswith("; and 1 more")
    for number in range(3, 8):
        assert f"row {number} (document doc-{number}): {REASONS[number]}" in message
    assert "data.bad_rows: skip" in refused.value.advice


def test_skipped_rows_are_left_out_named_and_counted(
    values: dict[str, Any], changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    selected = _select(values, **changes, data__bad_rows="skip")
    assert list(selected.train.indices) == [0, 1, 2, 9, 10, 11, 12, 13]
    assert len(selected.lengths) == 8
    assert selected.counts == {"bad_rows": 6}
    [note] = selected.bad_rows
    assert note.startswith("training: 6 of 14 rows are left out because they cannot be used: row 3")
    for number, reason in REASONS.items():
        assert f"row {number} (document doc-{number}): {reason}" in caplog.text
    assert selected.remarks == (
        "training: 1 of 14 rows has a blank page: all of its pixels have the same colour: "
        "row 9 (document doc-9)",
    )


def test_bad_rows_go_before_those_that_are_too_long(
    values: dict[str, Any], changes: dict[str, Any], damaged: Path, tmp_path: Path
) -> None:
    rows = [row(n) | ({"target": "so on " * 60} if n == 1 else {}) for n in range(5)]
    rows[3] = _with_page(3, b"") | {"target": "so on " * 60}
    changes |= {"data__path": str(write(tmp_path / "both", rows))}
    selected = _select(values, **changes, data__bad_rows="skip", data__on_too_long="drop")
    assert list(selected.train.indices) == [0, 2, 4]
    assert selected.counts == {"bad_rows": 1, "left_out": 1}
    assert "1 of 4 rows are left out because they are longer" in selected.too_long[0]


def test_no_more_than_half_is_skipped(values: dict[str, Any], tmp_path: Path) -> None:
    rows = [_with_page(n, b"no image") if n else row(n) for n in range(3)]
    path = str(write(tmp_path / "mostly-bad", rows))
    with pytest.raises(TrainingError, match=r"2 of 3 rows cannot be used, .* at most 50%"):
        _select(values, data__path=path, data__bad_rows="skip")


def test_a_text_only_model_does_not_need_the_images(
    values: dict[str, Any], damaged: Path, language_model: Path
) -> None:
    path = {"model__name_or_path": str(language_model), "data__path": str(damaged)}
    selected = _select(values, **path, data__bad_rows="skip")
    assert selected.counts == {"bad_rows": 1}
    assert selected.remarks == ()


def test_an_estimate_notes_bad_rows_or_refuses_them(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    statistics = measure_rows(*_open(values, **changes, data__bad_rows="skip"), max_seconds=60)
    assert statistics.counted == 8
    assert "6 of 14 rows are left out because they cannot be used: row" in statistics.note
    assert "1 of 9 rows has a blank page" in statistics.note
    with pytest.raises(TrainingError, match="6 of 14 rows that were read cannot be used"):
        measure_rows(*_open(values, **changes), max_seconds=60)
    rows, collator = _open(values, **changes, data__bad_rows="skip")
    with pytest.raises(TrainingError, match="6 of 6 rows that were read cannot be used"):
        measure_rows(rows.select(range(3, 9)), collator, max_seconds=60)


@pytest.mark.parametrize("together", [1, 3], ids=["alone", "in a batch"])
def test_the_row_that_the_processor_refuses_is_named(
    values: dict[str, Any], changes: dict[str, Any], together: int
) -> None:
    rows, collator = _open(values, **changes)
    with pytest.raises(RowError, match=r"row 6 .* refuses its pages \(4000 x 10 pixels\)"):
        collator([rows[6], rows[0], rows[1]][:together])


def test_pages_without_patches_are_refused(values: dict[str, Any], qwen: Path) -> None:
    rows, collator = _open(values, model__name_or_path=str(qwen))
    encode = collator.encode

    def without_pixels(chats: Any) -> dict[str, torch.Tensor]:
        return encode(chats) | {"pixel_values": torch.empty(0, 3)}

    collator.encode = without_pixels
    counted = count_rows(rows, collator, report=lambda _: True)
    assert counted is not None
    assert "makes no patches of its pages (64 x 64 pixels)" in counted.errors[0].reason


def _comparable(counted: CountedRows | None) -> Any:
    assert counted is not None
    return counted.lengths, list(map(str, counted.errors)), counted.remarked


def test_workers_count_the_same_in_order(values: dict[str, Any], changes: dict[str, Any]) -> None:
    rows, collator = _open(values, **changes)
    reported: list[int] = []
    state = torch.get_rng_state()
    alone = count_rows(rows, collator, report=lambda _: True, workers=0)
    together = count_rows(
        rows, collator, report=lambda done: reported.append(done) or True, workers=2
    )
    assert _comparable(together) == _comparable(alone)
    assert reported == list(range(1, 15))
    assert torch.equal(torch.get_rng_state(), state)
    assert count_rows(rows, collator, report=lambda done: done < 5, workers=2) is None
    assert not torch.multiprocessing.active_children()


def test_a_row_that_is_there_several_times_is_counted_once(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    rows, collator = _open(values, **changes, data__bad_rows="skip")
    repeated = rows.select([3, 0, 9, 0, 3, 9, 1])
    selected = select_rows(
        Split(repeated, rows.select([])), collator, report=lambda done: done <= 4
    )
    assert selected is not None
    assert list(selected.train.indices) == [0, 9, 0, 9, 1]
    assert len(selected.lengths) == 5
    assert "1 of 4 rows is left out because it cannot be used: row 3" in selected.bad_rows[0]
    assert "1 of 4 rows has a blank page" in selected.remarks[0]


def test_few_rows_need_no_workers() -> None:
    assert worker_count(10) == 0
    assert 0 <= worker_count(10**6) <= 16


@pytest.mark.slow
def test_a_run_says_what_it_left_out(run: Run, changes: dict[str, Any]) -> None:
    ran = run(**changes, data__bad_rows="skip", training__max_steps=2)

    assert ran.verdict == "completed", ran.failure
    messages = [event.data["message"] for event in ran.of("warning")]
    assert any("6 of 14 rows are left out because they cannot be used" in m for m in messages)
    assert any("1 of 14 rows has a blank page" in message for message in messages)
    assert ran.of("done")[-1].data["bad_rows"] == 6
    dataset = json.loads((ran.run.adapter / "deepsynth.json").read_text())["dataset"]
    assert dataset["train_rows"] == 8
    assert "6 of 14 rows are left out" in dataset["bad_rows"][0]
    assert "blank page" in dataset["remarks"][0]
    assert "6 of 14 rows are left out" in (ran.run.adapter / "README.md").read_text()


def test_a_run_refuses_bad_rows_before_it_starts(run: Run, changes: dict[str, Any]) -> None:
    ran = run(**changes)
    assert ran.verdict == "failed"
    assert "6 of 14 rows cannot be used: row 3" in ran.failure
    assert not ran.of("metric")
