"""The x-ray shows the batch that the trainer feeds the model, and the features of its pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.processor import load_preprocessor
from deepsynth_tui.training.xray import first_batch
from deepsynth_tui.training.xray.client import request_xray
from deepsynth_tui.training.xray.image_features import FeatureCountError, VisionTower
from deepsynth_tui.training.xray.report import Xray
from deepsynth_tui.training.xray.text import xray_sections
from tests.training.conftest import Run, configuration
from tests.training.data.test_turns import answers, asks
from tests.training.small_datasets import example, row, write
from tests.training.small_models import IMAGE_TOKENS


def _xray(values: dict[str, Any], **changes: Any) -> tuple[Xray, Collator]:
    config = configuration(values, **changes)
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    split = load_split(config, images=collator.reads_images)
    architecture = AutoConfig.from_pretrained(config.model.name_or_path)
    return first_batch.xray_first_batch(config, collator, split, architecture), collator


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Rows of one to three pages, and answers of different lengths."""
    rows = [row(n, pages=1 + n % 3, side=80) | {"target": "so " * (n + 1)} for n in range(6)]
    return write(tmp_path / "mixed", rows)


def test_every_token_is_in_a_span(values: dict[str, Any], mixed: Path) -> None:
    xray, collator = _xray(values, data__path=str(mixed), training__per_device_train_batch_size=6)

    width = xray.shapes["input_ids"][1]
    loaded = load_split(collator.config, images=True).train
    ids = {collator.render(loaded[i]).row_id: i for i in range(len(loaded))}
    for xray_row in xray.rows:
        pages = 1 + ids[xray_row.row_id] % 3
        answer = "so " * (ids[xray_row.row_id] + 1) + "<|im_end|>\n"
        assert sum(span.tokens for span in xray_row.spans) == width
        assert xray_row.tokens("image") == xray_row.features == IMAGE_TOKENS * pages
        assert (
            xray_row.learned
            == answer
            == next(s.text for s in xray_row.spans if s.kind == "learned")
        )
        assert xray_row.tokens("learned") == len(collator.tokenizer(answer)["input_ids"])
        assert xray_row.template.endswith("<|im_start|>assistant\n" + answer)
        assert [page.stored for page in xray_row.pages] == [(80, 80)] * pages
    assert xray.tokens("padding") > 0
    assert xray.counted_by == first_batch.COUNTED_BY


def test_each_learned_answer_is_a_span(values: dict[str, Any], tmp_path: Path) -> None:
    one = row(0)
    earlier = [asks("Is it a page?", images=1), answers("Yes."), asks("What colour?")]
    rows = [one | {"messages": [*earlier, one["messages"][-1]]}]
    xray, _ = _xray(values, data__path=str(write(tmp_path / "turns", rows)))
    learned = [span.text for span in xray.rows[0].spans if span.kind == "learned"]
    assert learned == ["Yes.<|im_end|>\n", f"{one['target']}<|im_end|>\n"]
    assert xray.rows[0].learned == "".join(learned)
    texts = dict(next(lines for title, lines in xray_sections(xray) if title.startswith("row")))
    assert texts["learned"] == "2 answers"


def test_resized_pages_show_both_sizes(values: dict[str, Any], mixed: Path) -> None:
    xray, _ = _xray(values, data__path=str(mixed), model__max_pixels=1600)
    assert xray.rows[0].pages[0].given == (40, 40)


def test_features_are_those_of_the_real_model(values: dict[str, Any]) -> None:
    """The tower on fake tensors returns as many features as the loaded one."""
    base = load_model_and_processor(config := configuration(values))
    collator = Collator(base, config)
    inputs = collator.encode([collator.render(example(collator, row(0, pages=3)))])
    pixels = {n: v for n, v in inputs.items() if n.startswith("pixel")}
    real: Any = base.model
    with torch.no_grad():
        features = real.get_image_features(**pixels).pooler_output
    tower = VisionTower(AutoConfig.from_pretrained(config.model.name_or_path), config)
    assert tower.count_features(inputs) == sum(len(page) for page in features) == 3 * IMAGE_TOKENS


def test_features_that_cannot_be_counted(values: dict[str, Any]) -> None:
    config = configuration(values)
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    inputs = collator.encode([collator.render(example(collator, row(0)))])
    tower = VisionTower(AutoConfig.from_pretrained(config.model.name_or_path), config)
    pixels = inputs.pop("pixel_values")
    with pytest.raises(FeatureCountError, match="pixel_values"):
        tower.count_features(inputs | {"other_pixels": pixels})


def test_a_language_model_has_no_features(values: dict[str, Any], language_model: Path) -> None:
    xray, _ = _xray(values, model__name_or_path=str(language_model))
    assert (xray.tokens("image"), xray.rows[0].features, xray.rows[0].pages) == (0, 0, ())
    assert "It is" in next(span.text for span in xray.rows[0].spans if span.kind == "masked")


@pytest.mark.slow
@pytest.mark.parametrize("order", ["random", "group_by_length"])
def test_it_is_the_first_batch_of_training(
    run: Run, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    batches: list[dict[str, Any]] = []
    encode = Collator.__call__

    def recorded(self: Collator, rows: Any) -> dict[str, Any]:
        batches.append(encode(self, rows))
        return batches[-1]

    changes: dict[str, Any] = {"data__eval_fraction": 0.2, "training__seed": 7}
    changes["training__train_sampling_strategy"] = order
    xray, collator = _xray(values, **changes)
    monkeypatch.setattr(Collator, "__call__", recorded)
    assert run(**changes, training__max_steps=1).verdict == "completed"

    first = batches[0]
    assert [xray_row.row_id for xray_row in xray.rows] == first[ROW_IDS]
    assert xray.shapes["input_ids"] == tuple(first["input_ids"].shape)
    for xray_row, labels in zip(xray.rows, first["labels"], strict=True):
        assert xray_row.learned == collator.tokenizer.decode(labels[labels != IGNORE_INDEX])


def test_a_row_that_the_run_refuses_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ChildError) as refused:
        request_xray(configuration(values, data__max_length=16))
    assert "longer than data.max_length (16" in refused.value.message
    assert refused.value.advice


def test_truncated_and_dropped_rows_are_reported(values: dict[str, Any], tmp_path: Path) -> None:
    rows = [row(n) | {"target": "so on " * (40 if n else 1)} for n in range(2)]
    folder = write(tmp_path / "long", rows)
    batch = {"training__per_device_train_batch_size": 2, "data__path": str(folder)}
    xray, _ = _xray(values, **batch, data__on_too_long="shorten")

    assert "1 of 2 rows are shortened" in xray.notes[0]
    [truncated] = [xray_row for xray_row in xray.rows if xray_row.cut]
    assert truncated.cut == f"the answer is truncated to {len(truncated.learned)} of 240 characters"
    xray, _ = _xray(values, **batch, data__on_too_long="drop")
    assert len(xray.rows) == 1
    assert "1 of 2 rows are left out" in xray.notes[0]


def test_skipped_rows_are_reported(values: dict[str, Any], tmp_path: Path) -> None:
    rows = [row(n) for n in range(3)]
    rows[0]["images"] = [{"bytes": b"no image", "path": None}]
    batch = {"training__per_device_train_batch_size": 3}
    batch |= {"data__path": str(write(tmp_path / "bad", rows))}
    xray, _ = _xray(values, **batch, data__bad_rows="skip")
    assert sorted(xray_row.row_id[:5] for xray_row in xray.rows) == ["row 1", "row 2"]
    assert "1 of 3 rows is left out because it cannot be used: row 0" in xray.notes[0]
    with pytest.raises(RowError, match="row 0"):
        _xray(values, **batch)
