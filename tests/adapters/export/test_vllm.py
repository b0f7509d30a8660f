"""What vLLM's LoRA loader takes is written so that PEFT computes the same; the rest is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from deepsynth_tui.adapters.description import Adapter, read_adapter
from deepsynth_tui.adapters.export.vllm import (
    plan_vllm,
    rewrite_for_vllm,
    serve_command,
    vllm_notes,
)
from deepsynth_tui.adapters.settings import answer_config
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.evaluation.samples import answer_logits
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.result.verify import relative_difference
from deepsynth_tui.training.stored_adapter import StoredAdapter
from tests.adapters.adapter_files import linear, of_rank, write
from tests.adapters.random_adapters import random_adapter
from tests.training import small_datasets

VISION = "base_model.model.model.visual.blocks.0.attn.qkv"


def adapter_of(folder: Path, tensors: dict[str, torch.Tensor], **peft: Any) -> Adapter:
    defaults = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "qkv"]}
    write(folder, tensors, **(defaults | peft))
    return read_adapter(StoredAdapter("mine", folder))


def with_vision() -> dict[str, torch.Tensor]:
    a, b = of_rank(4, 2)
    vision = {f"{VISION}.lora_A.weight": a.clone(), f"{VISION}.lora_B.weight": b.clone()}
    return {**linear(0, a, b), **vision}


@pytest.mark.parametrize(
    ("peft", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "lora_only"}, "biases"),
        ({"init_lora_weights": "pissa"}, "base weights"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"target_parameters": ["mlp.experts.down_proj"]}, "fused experts"),
    ],
)
def test_what_vllm_does_not_load_is_refused(
    tmp_path: Path, peft: dict[str, Any], reason: str
) -> None:
    adapter = adapter_of(tmp_path / "a", linear(0, *of_rank(4, 2)), **peft)
    with pytest.raises(UserError, match=reason) as raised:
        plan_vllm(adapter, "keep")
    assert "--to merged" in raised.value.advice


def test_saved_modules_and_heads_are_refused(tmp_path: Path) -> None:
    factors = linear(0, *of_rank(4, 2))
    saved = {**factors, "base_model.model.lm_head.weight": torch.ones(2, 2)}
    with pytest.raises(UserError, match="modules_to_save"):
        plan_vllm(adapter_of(tmp_path / "saved", saved), "drop")
    a, b = of_rank(4, 2)
    head = {
        "base_model.model.lm_head.lora_A.weight": a,
        "base_model.model.lm_head.lora_B.weight": b,
    }
    with pytest.raises(UserError, match="the head"):
        plan_vllm(adapter_of(tmp_path / "head", {**factors, **head}), "drop")


@pytest.mark.parametrize(("r", "limit"), [(4, 8), (8, 8), (9, 16), (200, 256), (500, 512)])
def test_the_smallest_max_lora_rank(tmp_path: Path, r: int, limit: int) -> None:
    adapter = adapter_of(tmp_path / "a", linear(0, *of_rank(r, 2, size=600)), r=r)
    assert plan_vllm(adapter, "refuse").max_lora_rank == limit


def test_a_rank_above_those_of_vllm_is_refused(tmp_path: Path) -> None:
    adapter = adapter_of(tmp_path / "a", linear(0, *of_rank(513, 2, size=600)), r=513)
    with pytest.raises(UserError, match="rank 513"):
        plan_vllm(adapter, "refuse")


def test_other_towers_are_left_out_only_if_the_user_agrees(tmp_path: Path) -> None:
    adapter = adapter_of(tmp_path / "a", with_vision())
    with pytest.raises(UserError, match="1 modules of vision") as raised:
        plan_vllm(adapter, "refuse")
    assert "--towers drop" in raised.value.advice
    dropped = plan_vllm(adapter, "drop")
    assert dict(dropped.dropped) == {"vision": 1}
    assert any("not those that were trained" in note for note in vllm_notes(adapter, dropped))
    rewrite_for_vllm(adapter.folder, dropped)
    names = set(load_file(adapter.folder / "adapter_model.safetensors"))
    assert len(names) == 2
    assert not any("visual" in name for name in names)
    config = json.loads((adapter.folder / "adapter_config.json").read_text())
    assert config["target_modules"] == ["model.language_model.layers.0.self_attn.q_proj"]

    kept = plan_vllm(adapter_of(tmp_path / "b", with_vision()), "keep")
    command = serve_command(adapter, "org/base", tmp_path / "out", "mine", kept)
    assert "--enable-tower-connector-lora" in command
    words = shlex.split(command)
    assert words[:3] == ["vllm", "serve", "org/base"]
    assert words[words.index("--max-lora-rank") + 1] == "8"
    assert words[-2:] == ["--lora-modules", f"mine={tmp_path / 'out'}"]
    assert words[words.index("--revision") + 1] == "abc"


def test_an_adapter_of_vision_alone_is_refused(tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in with_vision().items() if "visual" in name}
    with pytest.raises(UserError, match="nothing in the language model"):
        plan_vllm(adapter_of(tmp_path / "a", tensors), "drop")


@pytest.mark.parametrize("changes", [{}, {"lora__use_rslora": True}])
def test_ranks_and_scales_that_differ_are_folded(
    tmp_path: Path, values: dict[str, Any], vision_model: Path, changes: dict[str, Any]
) -> None:
    patterns = {"lora__rank_pattern": {".*q_proj": 2}, "lora__alpha_pattern": {".*v_proj": 12}}
    changes = {"model__name_or_path": str(vision_model)} | patterns | changes
    folder = random_adapter(tmp_path / "adapter", values, **changes)
    adapter = read_adapter(StoredAdapter("adapter", folder))
    config = answer_config(adapter)
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    chat = collator.render(small_datasets.example(collator, small_datasets.row(0)))
    inputs = collator.encode([chat])
    expected = answer_logits(PeftModel.from_pretrained(base.model, str(folder)), inputs, config)
    plan = plan_vllm(adapter, "keep")
    assert plan.is_folded
    rewrite_for_vllm(folder, plan)
    written = json.loads((folder / "adapter_config.json").read_text())
    assert (written["r"], written["lora_alpha"]) == (plan.r, plan.r)
    assert (written["rank_pattern"], written["alpha_pattern"]) == ({}, {})
    assert not written["use_rslora"]
    tensors = load_file(folder / "adapter_model.safetensors")
    assert {t.shape[0] for name, t in tensors.items() if ".lora_A" in name} == {plan.r}
    folded = PeftModel.from_pretrained(load_model_and_processor(config).model, str(folder))
    assert relative_difference(answer_logits(folded, inputs, config), expected) < 1e-5
