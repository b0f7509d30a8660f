"""The strength dial: its export equals it, its ends are the base and the adapter as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from typer.testing import CliRunner

from deepsynth_tui.adapters.description import read_adapter
from deepsynth_tui.adapters.loaded import LoadedAdapters
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.adapters.strength.scale import (
    check_scalable,
    check_strengths,
    export_scaled,
    scale_notes,
)
from deepsynth_tui.cli import app
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.result.verify import relative_difference
from deepsynth_tui.training.stored_adapter import StoredAdapter
from tests.adapters.adapter_files import linear, of_rank, write
from tests.adapters.random_adapters import random_adapter
from tests.training import small_datasets

TOLERANCE = 1e-5


def command(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["adapters", "strength", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lora__use_rslora": True, "lora__r": 8},
        {"lora__use_dora": True},
        {"lora__rank_pattern": {".*q_proj": 2}, "lora__alpha_pattern": {".*q_proj": 12}},
    ],
)
def test_the_export_equals_the_dial(
    tmp_path: Path, values: dict[str, Any], vision_model: Path, changes: dict[str, Any]
) -> None:
    changes = {"model__name_or_path": str(vision_model)} | changes
    folder = random_adapter(tmp_path / "adapter", values, **changes)
    adapter = read_adapter(StoredAdapter("adapter", folder))
    config = answer_config(adapter)
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    chat = collator.render(small_datasets.example(collator, small_datasets.row(0)))
    inputs = collator.encode([chat])
    plain_base = answer_logits(base.model, inputs, config)

    loaded = LoadedAdapters([adapter])
    dialled: dict[float, torch.Tensor] = {}
    for strength in (0.5, 1.0, 1.25):
        with loaded.switched_on(adapter, strength=strength) as model:
            dialled[strength] = answer_logits(model, inputs, config)
    with loaded.base_only() as model:
        # A scale of 0 would leave the magnitudes of a DoRA.
        assert relative_difference(answer_logits(model, inputs, config), plain_base) < TOLERANCE

    for strength in (0.5, 1.25):
        output = tmp_path / f"x{strength}"
        export_scaled(adapter, output, strength)
        exported = PeftModel.from_pretrained(load_model_and_processor(config).model, str(output))
        logits = answer_logits(exported, inputs, config)
        assert relative_difference(logits, dialled[strength]) < TOLERANCE
        assert relative_difference(logits, dialled[1.0]) > 10 * TOLERANCE
        assert json.loads((output / "deepsynth.json").read_text())["strength"]["value"] == strength


@pytest.mark.slow
def test_strengths_are_measured_once_and_written_as_a_chart(
    paid: RunDirectory, papers: Path, tmp_path: Path
) -> None:
    # A copy of other documents: rows that the adapter learned are left out.
    rows = [small_datasets.paper(n, text, "paid") for n, text in enumerate(("Rye 4.20", "Oat 7"))]
    for number, row in enumerate(rows):
        row["source_hash"] = f"new-{number}"
    data = small_datasets.write(tmp_path / "pages", rows)
    arguments = [str(paid.adapter), "--data", str(data), "--values", "1,0.5"]
    arguments += ["--output", str(tmp_path / "exam"), "--export", str(tmp_path / "half")]
    code, output, errors = command(*arguments, "--strength", "0.5", "--json")
    assert code == 0, errors
    answer = json.loads(output)
    zero, half, one = answer["values"]
    assert [value["strength"] for value in answer["values"]] == [0, 0.5, 1]
    assert (zero["gained"], zero["text_lost"], zero["page_lost"]) == (0, 0, 0)
    assert one["score"]["value"] == 0  # every answer is "paid": no character errors
    assert one["gained"] == pytest.approx(zero["score"]["value"])
    # The base reads plain pages; the adapter has unlearned it.
    assert answer["general_pages_read"] >= 6
    assert one["page_lost"] > half["page_lost"] > 0
    assert answer["best"] in (0.5, 1)
    assert answer["exported"]["path"] == str(tmp_path / "half")
    scaled = json.loads((tmp_path / "half" / "adapter_config.json").read_text())
    assert scaled["lora_alpha"] == 4

    # The same question again: nothing is generated, and the folder of the export is not touched.
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "exam").rglob("*.json*")}
    code, output, errors = command(*arguments[:7])
    assert code == 0, errors
    assert "loading" not in errors
    assert {f: f.stat().st_mtime_ns for f in before if f.suffix == ".jsonl"} == {
        f: t for f, t in before.items() if f.suffix == ".jsonl"
    }
    assert "█" in output
    assert "▒" in output
    code, _, errors = command(str(paid.adapter), *arguments[7:], "--strength", "1.25")
    assert (code, "is not empty" in errors) == (1, True)


def test_what_has_no_dial_is_refused(tmp_path: Path) -> None:
    factors = linear(0, *of_rank(4, 2))
    refused = {
        "bias": {"bias": "all"},
        "pissa": {"init_lora_weights": "pissa"},
        "other": {"peft_type": "IA3"},
    }
    for name, changes in refused.items():
        folder = write(tmp_path / name, factors, **({"r": 4, "lora_alpha": 8} | changes))
        with pytest.raises(UserError, match="no strength"):
            check_scalable(read_adapter(StoredAdapter(name, folder)))
    saved = {**factors, "base_model.model.lm_head.weight": torch.ones(2, 2)}
    folder = write(tmp_path / "saved", saved, r=4, lora_alpha=8, use_dora=True)
    adapter = read_adapter(StoredAdapter("saved", folder))
    check_scalable(adapter)
    replaced, magnitudes = scale_notes(adapter)
    assert "lm_head.weight" in replaced
    assert "magnitudes" in magnitudes


def test_strengths_are_sorted_and_start_at_the_base() -> None:
    assert check_strengths([1, 0.5, 1]) == [0, 0.5, 1]
    for wrong in (-0.1, float("nan"), float("inf"), 11):
        with pytest.raises(UserError, match="no strength"):
            check_strengths([wrong])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing to measure"),
        (["--export", "x"], "go together"),
        (["--strength", "0.5", "--data", "x"], "go together"),
        (["--export", "x", "--strength", "0"], "cannot be exported"),
        (["--data", "x", "--values", "1,2,x"], "not numbers"),
        (["--data", "x", "--values=-1"], "no strength"),
        (["--data", "x", "--metric", "bleu"], "no metric"),
    ],
)
def test_wrong_options(arguments: list[str], reason: str) -> None:
    code, output, errors = command("adapter", *arguments)
    assert (code, output) == (2, "")
    assert reason in errors
