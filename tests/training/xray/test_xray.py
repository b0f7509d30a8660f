"""The x-ray shows what the trainer really feeds the model, and what the tower makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from deepsynth_tui.training.data.collator import IGNORED, ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_rows
from deepsynth_tui.training.modeling.load import load_base, load_reader
from deepsynth_tui.training.xray import first_batch as xrays
from deepsynth_tui.training.xray import server as xray_job
from deepsynth_tui.training.xray.image_features import Uncounted, VisionTower
from deepsynth_tui.training.xray.report import Xray
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import row, write
from tests.training.small_models import IMAGE_TOKENS


def _xray(values: dict[str, Any], **changes: Any) -> tuple[Xray, Collator]:
    config = configuration(values, **changes)
    batcher = Collator(load_reader(config, local_files_only=True), config)
    split = load_rows(config.data, images=batcher.reads_images)
    architecture = AutoConfig.from_pretrained(config.model.name_or_path)
    return xrays.xray(config, batcher, split, architecture), batcher


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Rows of one to three pages, and answers of different lengths."""
    rows = [row(n, pages=1 + n % 3, side=80) | {"target": "so " * (n + 1)} for n in range(6)]
    return write(tmp_path / "mixed", rows)


def test_every_token_is_accounted_for(values: dict[str, Any], mixed: Path) -> None:
    seen, batcher = _xray(values, data__path=str(mixed), training__per_device_train_batch_size=6)

    width = seen.shapes["input_ids"][1]
    loaded = load_rows(batcher.config.data, images=True).train
    ids = {batcher.render(loaded[i]).row_id: i for i in range(len(loaded))}
    for one in seen.rows:
        pages = 1 + ids[one.row_id] % 3
        answer = "so " * (ids[one.row_id] + 1) + "<|im_end|>\n"
        assert sum(span.tokens for span in one.spans) == width
        assert one.tokens("image") == one.features == IMAGE_TOKENS * pages
        assert one.learned == answer == next(s.text for s in one.spans if s.kind == "learned")
        assert one.tokens("learned") == len(batcher.tokenizer(answer)["input_ids"])
        assert one.template.endswith("<|im_start|>assistant\n" + answer)
        assert [page.stored for page in one.pages] == [(80, 80)] * pages
    assert seen.tokens("padding") > 0
    assert seen.counted_by == xrays.COUNTED


def test_pages_that_are_shrunk_say_so(values: dict[str, Any], mixed: Path) -> None:
    seen, _ = _xray(values, data__path=str(mixed), model__max_pixels=1600)
    assert seen.rows[0].pages[0].given == (40, 40)


def test_features_are_those_of_the_real_model(values: dict[str, Any]) -> None:
    """The tower without weights says what the loaded one computes."""
    base = load_base(config := configuration(values))
    batcher = Collator(base, config)
    inputs = batcher.encode([batcher.render(row(0, pages=3) | {"__position__": 0})])
    pixels = {n: v for n, v in inputs.items() if n.startswith("pixel")}
    real: Any = base.model
    with torch.no_grad():
        made = real.get_image_features(**pixels).pooler_output
    tower = VisionTower(AutoConfig.from_pretrained(config.model.name_or_path), config)
    assert tower.features(inputs) == sum(len(page) for page in made) == 3 * IMAGE_TOKENS


def test_a_tower_that_cannot_be_run_says_why(values: dict[str, Any]) -> None:
    config = configuration(values)
    batcher = Collator(load_reader(config, local_files_only=True), config)
    inputs = batcher.encode([batcher.render(row(0) | {"__position__": 0})])
    tower = VisionTower(AutoConfig.from_pretrained(config.model.name_or_path), config)
    pixels = inputs.pop("pixel_values")
    with pytest.raises(Uncounted, match="pixel_values"):
        tower.features(inputs | {"other_pixels": pixels})


def test_a_language_model_has_no_features(values: dict[str, Any], language_model: Path) -> None:
    seen, _ = _xray(values, model__name_or_path=str(language_model))
    assert (seen.tokens("image"), seen.rows[0].features, seen.rows[0].pages) == (0, 0, ())
    assert "It is" in next(span.text for span in seen.rows[0].spans if span.kind == "masked")


@pytest.mark.slow
@pytest.mark.parametrize("order", ["random", "group_by_length"])
def test_it_is_the_batch_that_training_begins_with(
    run: Run, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    made: list[dict[str, Any]] = []
    encode = Collator.__call__

    def recorded(self: Collator, rows: Any) -> dict[str, Any]:
        made.append(encode(self, rows))
        return made[-1]

    changes: dict[str, Any] = {"data__eval_fraction": 0.2, "training__seed": 7}
    changes["training__train_sampling_strategy"] = order
    seen, batcher = _xray(values, **changes)
    monkeypatch.setattr(Collator, "__call__", recorded)
    assert run(**changes, training__max_steps=1).verdict == "completed"

    first = made[0]
    assert [one.row_id for one in seen.rows] == first[ROW_IDS]
    assert seen.shapes["input_ids"] == tuple(first["input_ids"].shape)
    for one, labels in zip(seen.rows, first["labels"], strict=True):
        assert one.learned == batcher.tokenizer.decode(labels[labels != IGNORED])


def test_a_row_that_is_refused_is_refused_here_too(values: dict[str, Any]) -> None:
    answer, status = xray_job.answer(configuration(values, data__max_length=16))
    assert status == 1
    assert "longer than data.max_length (16" in answer["message"]
    assert answer["advice"]


def test_what_was_cut_and_left_out_is_said(values: dict[str, Any], tmp_path: Path) -> None:
    rows = [row(n) | {"target": "so on " * (40 if n else 1)} for n in range(2)]
    folder = write(tmp_path / "long", rows)
    batch = {"training__per_device_train_batch_size": 2, "data__path": str(folder)}
    seen, _ = _xray(values, **batch, data__on_too_long="shorten")

    assert "1 of 2 rows are shortened" in seen.notes[0]
    [cut] = [one for one in seen.rows if one.cut]
    assert cut.cut == f"of the answer {len(cut.learned)} of 240 characters are left"
    seen, _ = _xray(values, **batch, data__on_too_long="drop")
    assert len(seen.rows) == 1
    assert "1 of 2 rows are left out" in seen.notes[0]
