"""Rank previews: all suggested ranks, and the size of the adapter file that PEFT writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.adapter_file import adapter_file_bytes
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.ranks import preview_ranks
from deepsynth_tui.models.lora_targets import resolve_target_modules
from tests.estimate import models
from tests.estimate.models import configure

DENSE = "Qwen/Qwen3-VL-4B-Instruct"


def test_previews_include_suggested_ranks_and_the_current_rank():
    inputs = EstimateInputs(models.shipped(DENSE))
    ranks = preview_ranks(configure(lora={"r": 24}), inputs)
    suggested = fields_by_key(TrainingConfig)["lora.r"].suggested
    assert [rank.r for rank in ranks] == sorted({*suggested, 24})
    assert [rank.r for rank in ranks if rank.is_current] == [24]
    for rank in ranks:
        estimate = inputs.estimate(configure(lora={"r": rank.r}))
        assert (rank.trainable_params, rank.needed) == (estimate.trainable_params, estimate.needed)
    for key in ("trainable_params", "needed", "adapter_bytes"):
        figures = [getattr(rank, key) for rank in ranks]
        assert figures == sorted(set(figures))


def test_modules_in_the_rank_pattern_keep_their_rank():
    inputs = EstimateInputs(models.shipped(DENSE))
    config = configure(lora={"target_modules": ["q_proj"], "rank_pattern": {"q_proj": 2}})
    assert len({rank.trainable_params for rank in preview_ranks(config, inputs)}) == 1


def test_no_previews_without_lora():
    assert not preview_ranks(
        configure(lora={"enabled": False}), EstimateInputs(models.shipped(DENSE))
    )


@pytest.mark.parametrize("model_type", ["qwen3", "qwen3_vl"])
@pytest.mark.parametrize(
    "lora", [{}, {"r": 64}, {"use_dora": True}, {"modules_to_save": ["lm_head"], "r": 4}]
)
def test_the_adapter_file_has_the_size_that_peft_writes(
    tmp_path: Path, model_type: str, lora: dict[str, Any]
):
    config = configure(lora=lora)
    model: Any = models.build(model_type, tie_word_embeddings=False).to_empty(device="cpu")
    model = model.to(dtype=torch.bfloat16)
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    peft = get_peft_model(
        model,
        LoraConfig(
            r=config.lora.r,
            use_dora=config.lora.use_dora,
            modules_to_save=config.lora.modules_to_save or None,
            target_modules=list(resolve_target_modules(linears, config.lora, config.model)),
        ),
    )
    peft.save_pretrained(str(tmp_path), save_embedding_layers=False)
    saved = (tmp_path / "adapter_model.safetensors").stat().st_size
    layout = models.layout(model_type)
    assert adapter_file_bytes(config, layout) == pytest.approx(saved, rel=0.01)
