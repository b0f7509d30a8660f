"""The recipe as a whole, on a course of four steps: texts, pages, training, exam, shipping."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from deepsynth_tui.builtin.recipe import evaluate, export
from deepsynth_tui.builtin.recipe.pretrain import RunFailed, pretrain, run_config, state_of
from deepsynth_tui.builtin.recipe.stages import Stage, stages
from deepsynth_tui.config.load import load_file as load_config
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT
from deepsynth_tui.training.evaluation.evaluate import Prediction, compute_metrics, predict

COURSE = (Stage("words", 96, 64, 1, (14,), 200, 64, 1e-3),)
pytestmark = pytest.mark.slow


def lesson_fonts() -> set[str]:
    pages = Path(export.__file__).parent / "pages.yaml"
    lessons = load_config(pages, ["source.path=builtin:sample"]).config
    further = {font for stage in stages() for font in stage.further_fonts}
    assert further
    return set(lessons.model_dump()["page"]["fonts"]) | further


def stand_ins(place: Path) -> Path:
    """Install the embedded font under the names of all that the lessons are drawn with."""
    (place / "fonts").mkdir(parents=True)
    for name in lesson_fonts():
        shutil.copy(BUNDLED_FONT, place / "fonts" / f"{name.replace(' ', '')}.ttf")
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSYNTH_HOME", str(made))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("XDG_DATA_HOME", str(stand_ins(made / "data")))
        pretrain(made, COURSE)
        yield made


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    return folder / "words" / "training" / "model"


def test_the_course_moves_every_weight_and_is_taken_once(folder: Path, trained: Path) -> None:
    before, after = (load_file(at / "model.safetensors") for at in (folder / "untrained", trained))
    assert before.keys() == after.keys()
    still = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert not still
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert pretrain(folder, COURSE) == trained
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == times
    assert state_of(folder / "words" / "training") == "done"
    assert state_of(folder / "nowhere") == "new"


def test_a_run_that_fails_ends_the_course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSYNTH_HOME", str(tmp_path))
    too_narrow = (Stage("words", 64, 64, 1, (60,), 4, 4, 1e-3),)
    with pytest.raises(RunFailed, match="did not end well"):
        pretrain(tmp_path, too_narrow)


def test_what_is_shipped_is_an_ordinary_checkpoint_of_half_the_size(
    folder: Path, trained: Path
) -> None:
    count = export.halve(trained, folder / "reader")
    whole, halved = (
        AutoModelForImageTextToText.from_pretrained(at, dtype="auto")
        for at in (trained, folder / "reader")
    )
    assert {value.dtype for value in halved.parameters()} == {torch.float16}
    assert count == whole.num_parameters() < export.MOST_PARAMETERS
    assert (folder / "reader" / "model.safetensors").stat().st_size < export.MOST_BYTES
    for name, value in whole.named_parameters():
        torch.testing.assert_close(halved.get_parameter(name).float(), value, rtol=1e-3, atol=1e-6)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder / "reader")
    assert tokenizer.decode(tokenizer("12,50 € für Ä")["input_ids"]) == "12,50 € für Ä"
    stated = json.loads((folder / "reader" / "processor_config.json").read_text(encoding="utf-8"))
    pages, videos = stated["image_processor"], stated["video_processor"]
    assert {videos[name] == pages[name] for name in ("patch_size", "merge_size")} == {True}


def test_too_large_a_model_is_not_shipped(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 1_000_000)
    with pytest.raises(ValueError, match="too much for the wheel"):
        export.halve(trained, tmp_path / "reader")


def test_the_exam_asks_every_row_and_the_card_tells_what_came(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    settings = {
        "model.name_or_path": trained,
        "data.path": folder / "words" / "pages",
        "data.eval_fraction": 0,
        "training.per_device_train_batch_size": 100,
    }
    file = run_config("training", tmp_path / "exam.yaml", settings)
    config = load_config(file).config
    assert isinstance(config, TrainingConfig)
    answered = list(predict(config))
    wanted = [json.loads(line)["text"] for line in open_lines(folder / "words/texts-14.jsonl")]
    assert sorted(one.target for one in answered) == sorted(wanted)
    found = compute_metrics(answered)
    assert (found["documents"], found["characters"]) == (200, sum(map(len, wanted)))
    assert found["cer"] > 0.5  # after four steps
    assert found["cer_low"] <= found["cer"] <= found["cer_high"]

    export.halve(trained, folder / "reader")
    both = {"seen_fonts": found, "unseen_fonts": found}
    assert not export.describe(folder / "reader", folder, COURSE, 7, both)
    card = (folder / "reader" / "README.md").read_text(encoding="utf-8")
    assert f"| {found['cer']:.2%} |" in card
    assert "| words | 96 x 64 | 1 to 1 | 14 | 200 | 0% | 4 |" in card
    figures = json.loads((folder / "reader" / "figures.json").read_text(encoding="utf-8"))
    assert figures["stages"][0]["losses"][0][0] == 1


def test_marks_count_errors_and_answers_without_any() -> None:
    found = compute_metrics([Prediction("a", "abcd", "abcd"), Prediction("b", "abcdef", "abXdefg")])
    assert (found["errors"], found["cer"], found["exact"]) == (2, 0.2, 0.5)


@pytest.mark.parametrize(
    ("seen", "unseen", "reached"), [(0.03, 0.1, True), (0.031, 0.1, False), (0.03, 0.101, False)]
)
def test_the_bar(seen: float, unseen: float, reached: bool) -> None:
    assert export.passes({"seen_fonts": {"cer": seen}, "unseen_fonts": {"cer": unseen}}) is reached


def test_fonts_of_the_exam_are_in_no_lesson() -> None:
    assert not lesson_fonts() & set(evaluate.UNSEEN["page.fonts"])


def open_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
