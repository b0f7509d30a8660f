"""The whole recipe with four training steps: texts, pages, training, evaluation, export."""

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
from deepsynth_tui.builtin.recipe.pretrain import RunFailed, pretrain, run_status, write_config
from deepsynth_tui.builtin.recipe.stages import Stage, stages
from deepsynth_tui.config.load import load_file as load_config
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT
from deepsynth_tui.training.evaluation.evaluate import Prediction, compute_metrics, predict

STAGES = (Stage("words", 96, 64, 1, (14,), 200, 64, 1e-3),)
pytestmark = pytest.mark.slow


def training_fonts() -> set[str]:
    pages = Path(export.__file__).parent / "pages.yaml"
    config = load_config(pages, ["source.path=builtin:sample"]).config
    further = {font for stage in stages() for font in stage.further_fonts}
    assert further
    return set(config.model_dump()["page"]["fonts"]) | further


def install_fonts(folder: Path) -> Path:
    """Install the embedded font under the names of all training fonts."""
    (folder / "fonts").mkdir(parents=True)
    for name in training_fonts():
        shutil.copy(BUNDLED_FONT, folder / "fonts" / f"{name.replace(' ', '')}.ttf")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSYNTH_HOME", str(folder))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("XDG_DATA_HOME", str(install_fonts(folder / "data")))
        pretrain(folder, STAGES)
        yield folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    return folder / "words" / "training" / "model"


def test_training_changes_every_weight_and_runs_once(folder: Path, trained: Path) -> None:
    before, after = (
        load_file(checkpoint / "model.safetensors")
        for checkpoint in (folder / "untrained", trained)
    )
    assert before.keys() == after.keys()
    unchanged = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert not unchanged
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert pretrain(folder, STAGES) == trained
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == times
    assert run_status(folder / "words" / "training") == "done"
    assert run_status(folder / "nowhere") == "new"


def test_a_failed_run_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSYNTH_HOME", str(tmp_path))
    too_narrow = (Stage("words", 64, 64, 1, (60,), 4, 4, 1e-3),)
    with pytest.raises(RunFailed, match="failed with exit code"):
        pretrain(tmp_path, too_narrow)


def test_the_exported_model_is_a_float16_checkpoint(folder: Path, trained: Path) -> None:
    parameters = export.export_float16(trained, folder / "reader")
    original, exported = (
        AutoModelForImageTextToText.from_pretrained(checkpoint, dtype="auto")
        for checkpoint in (trained, folder / "reader")
    )
    assert {value.dtype for value in exported.parameters()} == {torch.float16}
    assert parameters == original.num_parameters() < export.MAX_PARAMETERS
    assert (folder / "reader" / "model.safetensors").stat().st_size < export.MAX_BYTES
    for name, value in original.named_parameters():
        torch.testing.assert_close(
            exported.get_parameter(name).float(), value, rtol=1e-3, atol=1e-6
        )
    tokenizer: Any = AutoTokenizer.from_pretrained(folder / "reader")
    assert tokenizer.decode(tokenizer("12,50 € für Ä")["input_ids"]) == "12,50 € für Ä"
    config = json.loads((folder / "reader" / "processor_config.json").read_text(encoding="utf-8"))
    images, videos = config["image_processor"], config["video_processor"]
    assert {videos[name] == images[name] for name in ("patch_size", "merge_size")} == {True}


def test_a_model_that_is_too_large_is_not_exported(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MAX_BYTES", 1_000_000)
    with pytest.raises(ValueError, match="too large to ship"):
        export.export_float16(trained, tmp_path / "reader")


def test_every_page_is_evaluated_and_the_card_has_the_metrics(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    settings = {
        "model.name_or_path": trained,
        "data.path": folder / "words" / "pages",
        "data.eval_fraction": 0,
        "training.per_device_train_batch_size": 100,
    }
    file = write_config("training", tmp_path / "evaluation.yaml", settings)
    config = load_config(file).config
    assert isinstance(config, TrainingConfig)
    predictions = list(predict(config))
    lines = (folder / "words" / "texts-14.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert sorted(prediction.target for prediction in predictions) == sorted(texts)
    metrics = compute_metrics(predictions)
    assert (metrics["documents"], metrics["characters"]) == (200, sum(map(len, texts)))
    assert metrics["cer"] > 0.5  # after four steps
    assert metrics["cer_low"] <= metrics["cer"] <= metrics["cer_high"]

    export.export_float16(trained, folder / "reader")
    parts = {"seen_fonts": metrics, "unseen_fonts": metrics}
    assert not export.write_card_and_figures(folder / "reader", folder, STAGES, 7, parts)
    card = (folder / "reader" / "README.md").read_text(encoding="utf-8")
    assert f"| {metrics['cer']:.2%} |" in card
    assert "| words | 96 x 64 | 1 to 1 | 14 | 200 | 0% | 4 |" in card
    figures = json.loads((folder / "reader" / "figures.json").read_text(encoding="utf-8"))
    assert figures["stages"][0]["losses"][0][0] == 1


def test_metrics_count_errors_and_exact_answers() -> None:
    metrics = compute_metrics(
        [Prediction("a", "abcd", "abcd"), Prediction("b", "abcdef", "abXdefg")]
    )
    assert (metrics["errors"], metrics["cer"], metrics["exact"]) == (2, 0.2, 0.5)


@pytest.mark.parametrize(
    ("seen_cer", "unseen_cer", "expected"),
    [(0.03, 0.1, True), (0.031, 0.1, False), (0.03, 0.101, False)],
)
def test_export_thresholds(seen_cer: float, unseen_cer: float, expected: bool) -> None:
    metrics = {"seen_fonts": {"cer": seen_cer}, "unseen_fonts": {"cer": unseen_cer}}
    assert export.meets_thresholds(metrics) is expected


def test_unseen_fonts_are_not_used_in_training() -> None:
    assert not training_fonts() & set(evaluate.UNSEEN_FONTS["page.fonts"])
