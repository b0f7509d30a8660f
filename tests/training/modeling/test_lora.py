"""Every LoRA setting reaches PEFT, and adapters are added to the configured modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.models.layout_server import build_layout
from deepsynth_tui.models.towers import tower_of
from deepsynth_tui.training.data.collator import ROW_IDS, Collator
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model_and_processor
from tests.training.conftest import configuration


def _lora_config(values: dict[str, Any], **changes: Any) -> LoraConfig:
    config = configuration(values, **changes)
    return lora.lora_config(load_model_and_processor(config).model, config, revision="abc")


def test_settings_reach_peft(values: dict[str, Any]) -> None:
    peft_config = _lora_config(
        values,
        lora__r=6,
        lora__lora_alpha=12,
        lora__lora_dropout=0.2,
        lora__use_rslora=True,
        lora__use_dora=True,
        lora__init_lora_weights="gaussian",
        lora__modules_to_save=["lm_head"],
        lora__bias="lora_only",
        lora__rank_pattern={"q_proj": 2},
        lora__alpha_pattern={"v_proj": 5},
    )
    assert (peft_config.r, peft_config.lora_alpha, peft_config.lora_dropout) == (6, 12, 0.2)
    assert (peft_config.use_rslora, peft_config.use_dora) == (True, True)
    assert peft_config.init_lora_weights == "gaussian"
    assert peft_config.modules_to_save == ["lm_head"]
    assert peft_config.bias == "lora_only"
    assert (peft_config.rank_pattern, peft_config.alpha_pattern) == ({"q_proj": 2}, {"v_proj": 5})
    assert peft_config.revision == "abc"


@pytest.mark.parametrize(
    ("changes", "endings", "layers"),
    [
        ({"lora__target_modules": ["q_proj", "v_proj"]}, {"q_proj", "v_proj"}, {"0", "1"}),
        (
            {"lora__exclude_modules": ["mlp.up_proj", "mlp.down_proj", "mlp.gate_proj"]},
            {"q_proj", "k_proj", "v_proj", "o_proj"},
            {"0", "1"},
        ),
        (
            {"lora__target_modules": r".*\.o_proj", "lora__layers_to_transform": [1]},
            {"o_proj"},
            {"1"},
        ),
    ],
)
def test_targets(
    values: dict[str, Any], changes: dict, endings: set[str], layers: set[str]
) -> None:
    targets = _lora_config(values, **changes).target_modules
    assert isinstance(targets, set)
    assert {name.rpartition(".")[2] for name in targets} == endings
    assert {name.split(".")[3] for name in targets} == layers
    assert all("text_model" in name for name in targets)


def test_biases_of_frozen_towers_are_not_trained(values: dict[str, Any]) -> None:
    frozen = configuration(values, lora__bias="all")
    assert set(
        lora.trainable_parameters_by_tower(
            lora.add_adapters(load_model_and_processor(frozen).model, frozen)
        )
    ) == {"language"}
    free = configuration(values, lora__bias="all", model__freeze_vision_tower=False)
    model = lora.add_adapters(load_model_and_processor(free).model, free)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert any("vision_model" in name and name.endswith(".bias") for name in trained)


def test_seeded_adapters_in_float32(values: dict[str, Any]) -> None:
    config = configuration(values, model__dtype="bfloat16")
    base = load_model_and_processor(config)
    model = lora.add_adapters(base.model, config)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert {parameter.dtype for parameter in trained.values()} == {torch.float32}
    assert lora.trainable_parameters_by_tower(model) == {
        "language": sum(p.numel() for p in trained.values())
    }


def test_adapted_modules_are_the_targets(values: dict[str, Any]) -> None:
    config = configuration(
        values,
        lora__target_modules=["vision", "q_proj"],
        model__freeze_vision_tower=False,
    )
    model = lora.add_adapters(load_model_and_processor(config).model, config)
    settings = model.peft_config["default"]
    assert isinstance(settings, LoraConfig)
    targets = settings.target_modules
    assert isinstance(targets, list)
    assert sorted(lora.adapted_modules(model)) == targets
    assert {tower_of(name) for name in targets} == {"language", "vision"}


def test_tokens_are_trained_without_the_rest_of_the_vocabulary(values: dict[str, Any]) -> None:
    config = configuration(values, lora__trainable_token_indices=[5, 3, 5])
    base = load_model_and_processor(config)
    model = lora.add_adapters(base.model, config)
    trained = [p for name, p in model.named_parameters() if "trainable_tokens_delta" in name]
    assert [p.shape[0] for p in trained if p.requires_grad] == [2]
    layout = build_layout(config.model.name_or_path, None, "model", trust_remote_code=False)
    assert count_trainable(config, layout).total == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )
    beyond = configuration(values, lora__trainable_token_indices=[10**6])
    with pytest.raises(TrainingError, match="no token 1000000"):
        lora.add_adapters(load_model_and_processor(beyond).model, beyond)


SAVE_ADAPTER = """
import sys
from pathlib import Path
from transformers import AutoModelForCausalLM
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.modeling.lora import add_adapters

base = AutoModelForCausalLM.from_pretrained(sys.argv[1])
add_adapters(base, TrainingConfig()).save_pretrained(sys.argv[2])
"""


def test_the_saved_config_does_not_depend_on_hashing(language_model: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "1", tmp_path / "2"]
    saving = [
        subprocess.Popen(
            [sys.executable, "-c", SAVE_ADAPTER, language_model, folder],
            env={**os.environ, "PYTHONHASHSEED": folder.name},
        )
        for folder in folders
    ]
    assert [process.wait() for process in saving] == [0, 0]
    first, second = ((folder / "adapter_config.json").read_text() for folder in folders)
    assert first == second


def _adapted_step(
    values: dict[str, Any], *, as_peft: bool = False, autocast: bool = True, **changes: Any
) -> tuple[torch.Tensor, dict[str, torch.Tensor], set[torch.dtype]]:
    """Return loss and gradients of a batch, and the dtypes of what the A matrices read.

    The adapters are those of `add_adapters`, or as PEFT makes them.
    """
    config = configuration(values, model__dtype="bfloat16", training__bf16=True, **changes)
    base = load_model_and_processor(config)
    rows = load_split(config, images=True).train
    batch = Collator(base, config)([rows[0], rows[1]])
    batch.pop(ROW_IDS)
    torch.manual_seed(0)
    if as_peft:
        model = get_peft_model(base.model, lora.lora_config(base.model, config, revision=None))
    else:
        model = lora.add_adapters(base.model, config)
    if config.training.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    dtypes: set[torch.dtype] = set()
    for name, module in model.named_modules():
        if name.endswith("lora_A.default"):
            module.register_forward_pre_hook(lambda _, inputs: dtypes.add(inputs[0].dtype))
        elif name.endswith("lora_B.default"):
            torch.nn.init.normal_(module.weight, std=0.1)  # else A has no gradient
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = model.train()(**batch).loss
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), gradients, dtypes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training__gradient_checkpointing": True},
        {"quantization__enabled": True},
        {"model__freeze_vision_tower": False, "model__freeze_projector": False},
    ],
    ids=["plain", "checkpointing", "4-bit", "all towers"],
)
def test_adapter_inputs_stay_in_half_precision_under_autocast(
    values: dict[str, Any], changes: dict[str, Any]
) -> None:
    loss, gradients, dtypes = _adapted_step(values, lora__lora_dropout=0.0, **changes)
    cast = _adapted_step(values, lora__lora_dropout=0.0, as_peft=True, **changes)
    assert torch.float32 in cast[2]
    assert dtypes == {torch.bfloat16}
    assert torch.equal(loss, cast[0])
    assert gradients.keys() == cast[1].keys()
    for name, gradient in gradients.items():
        assert torch.equal(gradient, cast[1][name]), name


@pytest.mark.parametrize(
    "options",
    [{"lora__lora_dropout": 0.1}, {"lora__use_dora": True}, {"autocast": False}],
    ids=["dropout", "dora", "no autocast"],
)
def test_other_adapter_inputs_are_cast_as_peft_does(
    values: dict[str, Any], options: dict[str, Any]
) -> None:
    options = {"lora__lora_dropout": 0.0} | options
    _, _, dtypes = _adapted_step(values, **options)
    assert dtypes == {torch.float32}
