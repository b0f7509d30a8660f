"""Merged models compute what base + adapter does; what cannot be merged is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText, LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from deepsynth_tui.adapters.description import read_adapter
from deepsynth_tui.adapters.merge.drift import kl_divergence
from deepsynth_tui.adapters.merge.merged import dequantized_weights, merge
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.cli import app
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.modeling.load import load_model_and_processor, load_saved_model
from deepsynth_tui.training.result.verify import relative_difference
from deepsynth_tui.training.stored_adapter import StoredAdapter
from tests.adapters.random_adapters import random_adapter
from tests.training import chat_tokenizer, small_datasets, small_models
from tests.training.conftest import Run, configuration

Model = Callable[[Path], Path]


def tied_language_model(folder: Path) -> Path:
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.chat_template = chat_tokenizer.CHAT_TEMPLATE
    special = small_models.special_tokens(tokenizer)
    shape = {"vocab_size": len(tokenizer), "tie_word_embeddings": True}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**small_models.TEXT | shape | special)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (small_models.vision_model, {}),
        (small_models.vision_model, {"lora__use_dora": True}),
        (small_models.vision_model, {"lora__use_rslora": True, "lora__r": 8}),
        (small_models.vision_model, {"lora__rank_pattern": {".*q_proj": 2}}),
        (small_models.vision_model, {"lora__modules_to_save": ["lm_head"]}),
        (tied_language_model, {"lora__modules_to_save": ["lm_head"]}),
        (tied_language_model, {"lora__modules_to_save": ["embed_tokens"]}),
        (tied_language_model, {}),
        (
            small_models.document_model,
            {"lora__target_parameters": ["mlp.experts.down_proj"], "lora__lora_dropout": 0.0},
        ),
    ],
)
def test_merged_logits_equal_those_of_base_and_adapter(
    tmp_path: Path, values: dict[str, Any], model: Model, changes: dict[str, Any]
) -> None:
    changes = {"model__name_or_path": str(model(tmp_path / "base"))} | changes
    folder = random_adapter(tmp_path / "adapter", values, **changes)
    adapter = read_adapter(StoredAdapter("adapter", folder))
    config = answer_config(adapter)
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    chat = collator.render(small_datasets.example(collator, small_datasets.row(0)))
    inputs = collator.encode([chat])
    without = answer_logits(base.model, inputs, config)
    adapted = answer_logits(PeftModel.from_pretrained(base.model, str(folder)), inputs, config)
    merged = merge(adapter, "full")
    tolerance = 1e-4
    assert relative_difference(answer_logits(merged.model, inputs, config), adapted) < tolerance
    assert relative_difference(without, adapted) > 4 * tolerance

    merged.model.save_pretrained(tmp_path / "merged")
    merged.loaded.processor.save_pretrained(tmp_path / "merged")
    loaded = load_saved_model(tmp_path / "merged", config)
    assert relative_difference(answer_logits(loaded, inputs, config), adapted) < tolerance
    untied = model is tied_language_model and "lora__modules_to_save" in changes
    assert bool(merged.notes) == untied


def test_a_merge_in_bfloat16_is_as_exact_as_base_and_adapter_in_it(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    logits: dict[str, torch.Tensor] = {}
    for dtype in ("float32", "bfloat16"):
        folder = random_adapter(tmp_path / dtype, values, model__dtype=dtype)
        adapter = read_adapter(StoredAdapter("adapter", folder))
        config = answer_config(adapter)
        base = load_model_and_processor(config)
        collator = Collator(base, config)
        chat = collator.render(small_datasets.example(collator, small_datasets.row(0)))
        inputs = collator.encode([chat])
        adapted = PeftModel.from_pretrained(base.model, str(folder))
        logits[dtype] = answer_logits(adapted, inputs, config)
        logits[f"merged {dtype}"] = answer_logits(merge(adapter, "full").model, inputs, config)
    exact = logits["float32"]
    rounding = relative_difference(logits["bfloat16"], exact)
    assert relative_difference(logits["merged bfloat16"], exact) < 2 * rounding


@pytest.mark.parametrize(
    "quantization", [{"bits": 4}, {"bits": 4, "double_quant": False}, {"bits": 8}]
)
def test_dequantized_weights_are_those_the_quantized_model_computes_with(
    values: dict[str, Any], quantization: dict[str, Any]
) -> None:
    config = configuration(values, quantization={"enabled": True} | quantization)
    model = load_model_and_processor(config).model
    weights = dict(dequantized_weights(model))
    assert weights
    for name, weight in weights.items():
        layer = model.get_submodule(name.removesuffix(".weight"))
        inputs = torch.eye(weight.shape[1])
        with torch.no_grad():
            outputs = layer(inputs).float()
            if layer.bias is not None:
                outputs = outputs - layer.bias.float()
        assert relative_difference(outputs.T, weight.float()) < 0.02


def test_the_nearer_candidate_is_kept_and_the_figures_stand_in_the_card(
    run: Run, tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(quantization={"enabled": True, "bits": 4}, training__max_steps=6)
    adapter = str(ran.run.adapter)

    def command(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["adapters", "merge", adapter, *arguments])
        return result.exit_code, result.stdout, result.stderr

    code, output, errors = command("-o", str(tmp_path / "merged"), "--limit", "3", "--json")
    assert code == 0, errors
    verdict = json.loads(output)
    drift = verdict["drift"]
    assert drift.keys() == {"full", "dequantized"}
    assert drift[verdict["kept"]]["kl"] == min(d["kl"] for d in drift.values())
    # The adapter corrects the errors of the quantized weights, which only these have.
    assert verdict["kept"] == "dequantized"
    assert drift["dequantized"]["rows"] == 3
    card = (tmp_path / "merged" / "README.md").read_text()
    assert "| dequantized (kept) |" in card
    assert "| full |" in card
    AutoModelForImageTextToText.from_pretrained(tmp_path / "merged")
    lineage = json.loads((tmp_path / "merged" / "deepsynth.json").read_text())
    assert lineage["merge"]["kept"] == "dequantized"
    assert lineage["metrics"] == {}
    assert not lineage["config"]["lora"]["enabled"]

    code, _, errors = command("-o", str(tmp_path / "merged"))
    assert (code, "is not empty" in errors) == (1, True)
    code, _, errors = command(
        "-o", str(tmp_path / "far"), "--onto", "full", "--max-drift", "0", "--data", str(dataset)
    )
    assert (code, "nothing was written" in errors) == (1, True)
    assert not (tmp_path / "far").exists()
    assert not list(tmp_path.glob(".far*"))


@pytest.mark.parametrize(
    ("peft", "lineage", "reason"),
    [
        ({}, {"text_encoder": {"name": "builtin:tiny-bert"}}, "text encoder"),
        ({"peft_type": "IA3"}, {}, "IA3"),
    ],
)
def test_what_no_merged_model_reproduces_is_refused(
    tmp_path: Path,
    values: dict[str, Any],
    peft: dict[str, Any],
    lineage: dict[str, Any],
    reason: str,
) -> None:
    folder = random_adapter(tmp_path / "adapter", values)
    for name, changes in (("adapter_config.json", peft), ("deepsynth.json", lineage)):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    arguments = ["adapters", "merge", str(folder), "-o", str(tmp_path / "merged")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert not (tmp_path / "merged").exists()


def test_the_divergence_of_two_distributions() -> None:
    p, q = torch.tensor([[0.5, 0.5], [1.0, 1e-9]]), torch.tensor([[0.25, 0.75], [1.0, 1e-9]])
    expected = 0.5 * torch.tensor(2.0).log() + 0.5 * torch.tensor(2 / 3).log()
    values = kl_divergence(p.log(), q.log())
    assert values[0].item() == pytest.approx(expected.item())
    assert values[1].item() == 0
