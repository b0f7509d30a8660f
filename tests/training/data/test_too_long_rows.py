"""Rows that are too long are refused with advice, left out or shortened, and always reported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.training.data.collator import IGNORE_INDEX, Collator
from deepsynth_tui.training.data.dataset import Rows, load_split
from deepsynth_tui.training.data.select_rows import SelectedRows, select_rows
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training.conftest import Run, configuration
from tests.training.modeling.test_deepseek_ocr import folder as deepseek  # noqa: F401 - a fixture
from tests.training.small_datasets import row, write

WORDS = " ".join(f"word{number}" for number in range(40))


def _limit(values: dict[str, Any], **changes: Any) -> tuple[SelectedRows, Rows, Collator]:
    config = configuration(values, **changes)
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    split = load_split(config, images=collator.reads_images)
    selected = select_rows(split, collator, report=lambda _: True)
    assert selected is not None
    return selected, selected.of(split).train, collator


@pytest.fixture
def long_answers(tmp_path: Path) -> Path:
    """Six rows, of which numbers 1 and 4 have long answers."""
    rows = [row(n) | ({"target": WORDS} if n in (1, 4) else {}) for n in range(6)]
    return write(tmp_path / "long", rows)


def test_rows_that_are_dropped_are_counted_and_named(
    values: dict[str, Any], long_answers: Path
) -> None:
    limited, train, collator = _limit(
        values, data__path=str(long_answers), data__on_too_long="drop"
    )

    assert list(train.indices) == [0, 2, 3, 5]
    assert limited.counts == {"left_out": 2}
    [note] = limited.notes
    assert (
        "2 of 6 rows are left out because they are longer than data.max_length (256 tokens)" in note
    )
    assert "row 1 (document doc-1) with" in note
    assert limited.statistics.lengths[-1] <= 256
    assert list(limited.lengths) == [collator([train[i]])["input_ids"].shape[1] for i in range(4)]


def test_no_more_than_half_is_dropped(values: dict[str, Any], tmp_path: Path) -> None:
    rows = [row(n) | ({"target": WORDS} if n else {}) for n in range(3)]
    folder = write(tmp_path / "mostly-long", rows)
    with pytest.raises(TrainingError, match=r"2 of 3 rows are longer .* at most 50%"):
        _limit(values, data__path=str(folder), data__on_too_long="drop")


def test_a_shortened_answer_does_not_learn_to_end(
    values: dict[str, Any], long_answers: Path
) -> None:
    """Its end token is not learned, because the answer does not end there. Its page is whole."""
    limited, train, collator = _limit(
        values, data__path=str(long_answers), data__on_too_long="shorten"
    )

    assert limited.counts == {"shortened": 2}
    assert "2 of 6 rows are shortened to data.max_length (256 tokens), by " in limited.notes[0]
    batch = collator([train[1], train[0]])
    assert 240 < batch["input_ids"].shape[1] <= 256
    decode: Any = collator.tokenizer.decode
    cut, whole = (decode(labels[labels != IGNORE_INDEX]) for labels in batch["labels"])
    assert WORDS.startswith(cut)
    assert WORDS[len(cut)] == " "
    assert whole == "red page 0<|im_end|>\n"
    removed = int(re.search(r"by (\d+) of (\d+) tokens", limited.notes[0])[1])  # type: ignore[index]
    exact = len(WORDS) - len(cut) + len(collator.tokenizer("<|im_end|>\n")["input_ids"])
    assert removed == 2 * exact  # the tokenizer has one token per byte


def test_a_language_model_reads_less_of_the_document(
    values: dict[str, Any], tmp_path: Path, language_model: Path
) -> None:
    rows = [row(n) | ({"prompted_text": WORDS} if n == 1 else {}) for n in range(3)]
    folder = write(tmp_path / "long", rows)
    changes = {"model__name_or_path": str(language_model), "data__on_too_long": "shorten"}
    limited, train, collator = _limit(values, data__path=str(folder), **changes)

    assert "the end of the document is missing from the question" in limited.notes[0]
    batch = collator([train[1]])
    assert 240 < batch["input_ids"].shape[1] <= 256
    labels = batch["labels"][0]
    assert collator.tokenizer.decode(labels[labels != IGNORE_INDEX]) == "green page 1<|im_end|>\n"
    prompt = collator.tokenizer.decode(batch["input_ids"][0][labels == IGNORE_INDEX])
    assert "word0 word1" in prompt
    assert "word39" not in prompt
    assert "Say the colour." in prompt


@pytest.mark.parametrize("on_too_long", ["shorten", "error"])
def test_a_page_is_never_truncated(
    values: dict[str, Any], tmp_path: Path, on_too_long: str
) -> None:
    folder = write(tmp_path / "pages", [row(n, pages=1 + 39 * (n == 1)) for n in range(3)])
    with pytest.raises(TrainingError, match=r"row 1 \(document doc-1\)"):
        _limit(values, data__path=str(folder), data__on_too_long=on_too_long)


def test_the_error_says_if_fewer_pixels_do_not_help(
    values: dict[str, Any], long_answers: Path
) -> None:
    """This processor resizes every page to the same size."""
    with pytest.raises(TrainingError) as refused:
        _limit(values, data__path=str(long_answers))
    assert "Fewer pixels do not help" in refused.value.advice


def test_the_suggested_max_pixels_fits_and_is_nearly_the_largest(
    values: dict[str, Any],
    tmp_path: Path,
    deepseek: Path,  # noqa: F811
) -> None:
    """DeepSeek-OCR-2 splits a large page into tiles, a smaller one into fewer."""
    folder = write(tmp_path / "pages", [row(n, side=800 + 40 * n) for n in range(3)])
    changes = {
        "model__name_or_path": str(deepseek),
        "data__path": str(folder),
        "data__max_length": 400,
    }
    with pytest.raises(TrainingError) as refused:
        _limit(values, **changes)
    match = re.search(r"Or set model.max_pixels to (\d+):", refused.value.advice)
    assert match, refused.value.advice
    pixels = int(match[1])
    assert _limit(values, **changes, model__max_pixels=pixels)[0].notes == ()
    with pytest.raises(TrainingError):
        _limit(values, **changes, model__max_pixels=round(1.1 * pixels))


@pytest.mark.slow
def test_a_run_reports_the_rows_it_left_out(run: Run, long_answers: Path) -> None:
    ran = run(data__path=str(long_answers), data__on_too_long="drop", training__max_steps=2)

    assert ran.verdict == "completed", ran.failure
    assert "2 of 6 rows are left out" in ran.of("warning")[0].data["message"]
    assert ran.of("done")[-1].data["left_out"] == 2
    dataset = json.loads((ran.run.adapter / "deepsynth.json").read_text())["dataset"]
    assert dataset["train_rows"] == 4
    assert "2 of 6 rows are left out" in dataset["too_long"][0]
    assert "2 of 6 rows are left out" in (ran.run.adapter / "README.md").read_text()
