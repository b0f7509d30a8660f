"""The rank slider: every rank at once, the file as large as PEFT writes it."""

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


def test_every_suggested_rank_and_the_present_one():
    grounds = EstimateInputs(models.shipped(DENSE))
    ranks = preview_ranks(configure(lora={"r": 24}), grounds)
    suggested = fields_by_key(TrainingConfig)["lora.r"].suggested
    assert [rank.r for rank in ranks] == sorted({*suggested, 24})
    assert [rank.r for rank in ranks if rank.is_current] == [24]
    for rank in ranks:
        found = grounds.estimate(configure(lora={"r": rank.r}))
        assert (rank.trainable_params, rank.needed) == (found.trainable_params, found.needed)
    for key in ("trainable_params", "needed", "adapter_bytes"):
        figures = [getattr(rank, key) for rank in ranks]
        assert figures == sorted(set(figures))


def test_patterned_modules_keep_their_rank():
    grounds = EstimateInputs(models.shipped(DENSE))
    config = configure(lora={"target_modules": ["q_proj"], "rank_pattern": {"q_proj": 2}})
    assert len({rank.trainable_params for rank in preview_ranks(config, grounds)}) == 1


def test_without_lora_there_are_no_ranks():
    assert not preview_ranks(
        configure(lora={"enabled": False}), EstimateInputs(models.shipped(DENSE))
    )


@pytest.mark.parametrize("model_type", ["qwen3", "qwen3_vl"])
@pytest.mark.parametrize(
    "lora", [{}, {"r": 64}, {"use_dora": True}, {"modules_to_save": ["lm_head"], "r": 4}]
)
def test_the_file_is_as_large_as_what_peft_saves(
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
    profile = models.profile(model_type)
    assert adapter_file_bytes(config, profile) == pytest.approx(saved, rel=0.01)
