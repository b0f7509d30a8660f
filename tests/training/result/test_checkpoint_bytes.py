"""Checkpoints and results have the estimated size, whatever is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from deepsynth_tui.estimate.storage import estimate_disk, processor_bytes
from deepsynth_tui.models import layout_server
from deepsynth_tui.models.layout import ModelLayout
from tests.training import chat_tokenizer
from tests.training.conftest import Run
from tests.training.small_models import TEXT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model so wide that file headers hardly count in the size of a checkpoint."""
    folder = tmp_path_factory.mktemp("wide-model")
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.chat_template = chat_tokenizer.CHAT_TEMPLATE
    shape: dict[str, Any] = TEXT | {
        "hidden_size": 512,
        "intermediate_size": 1024,
        "vocab_size": len(tokenizer),
    }
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def profile_of(folder: Path) -> ModelLayout:
    return layout_server.build_layout(str(folder), None, "model", trust_remote_code=False)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "changes",
    [
        {"lora__modules_to_save": ["lm_head"]},
        {"lora__use_dora": True, "training__optim": "adamw_8bit"},
        {
            "lora__enabled": False,
            "model__dtype": "float32",
            "training__learning_rate": 1e-5,
        },
    ],
)
def test_checkpoint_and_result_size(run: Run, wide_model: Path, changes: dict[str, Any]):
    from deepsynth_tui.config.load import load_file
    from deepsynth_tui.config.training import TrainingConfig

    ran = run(
        model__name_or_path=str(wide_model),
        lora__r=8,
        training__max_steps=1,
        **{"model__dtype": "bfloat16", **changes},
    )
    config = load_file(ran.run.config).config
    assert isinstance(config, TrainingConfig)
    profile = profile_of(wide_model)
    estimate = estimate_disk(config, profile, steps=1, processor=processor_bytes(config))
    assert estimate.checkpoints == 1
    assert estimate.checkpoint == pytest.approx(
        size(ran.run.checkpoints / "checkpoint-1"), rel=0.03
    )
    result = ran.run.adapter if config.lora.enabled else ran.run.path / "model"
    assert estimate.final == pytest.approx(size(result), rel=0.03)
