"""The default model's architecture, scaled down, with its real classes: fused experts and a
vision encoder whose modules are called like those of the language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    DeepseekOcr2Config,
    DeepseekOcr2ForConditionalGeneration,
    DeepseekOcr2Processor,
)
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
    DeepseekOcr2ImageProcessorPil,
)

from deepsynth_tui.builtin import tiny_vlm
from deepsynth_tui.training import lora
from deepsynth_tui.training.model import load_base
from deepsynth_tui.training.quantization import fused_expert_parameters
from tests.training.conftest import Run, configuration

EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deepseek-ocr-2")
    tokenizer = tiny_vlm.tokenizer()
    ids = tokenizer.get_vocab()
    special = {
        "bos_token_id": ids[tiny_vlm.START],
        "eos_token_id": ids[tiny_vlm.END_OF_TURN],
        "pad_token_id": ids[tiny_vlm.PAD],
    }
    config = DeepseekOcr2Config(
        image_token_id=ids[tiny_vlm.IMAGE],
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "moe_intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_shared_experts": 1,
            "mlp_layer_types": ["dense", "sparse"],
            "initializer_range": 0.125,
            **special,
        },
        vision_config={
            "sam_config": {
                "hidden_size": 64,
                "output_channels": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "global_attn_indexes": [1],
                "downsample_channels": [32, 64],
                "initializer_range": 0.02,
            },
            "encoder_config": {
                "hidden_size": 64,
                "intermediate_size": 128,
                "num_hidden_layers": 1,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
            },
        },
    )
    torch.manual_seed(0)
    DeepseekOcr2ForConditionalGeneration(config).save_pretrained(folder)
    DeepseekOcr2Processor(
        image_processor=DeepseekOcr2ImageProcessorPil(), tokenizer=tokenizer
    ).save_pretrained(folder)
    return folder


def test_adapters_stay_out_of_the_vision_encoder(values: dict[str, Any], folder: Path) -> None:
    config = configuration(values, model__name_or_path=str(folder))
    model = load_base(config).model
    wanted = lora.lora_config(model, config, revision=None).target_modules

    assert isinstance(wanted, set)
    assert any(name.endswith("self_attn.q_proj") for name in wanted)
    assert all(".language_model." in name for name in wanted)
    same_suffix = [name for name, _ in model.named_modules() if name.endswith("self_attn.q_proj")]
    assert any("vision" in name for name in same_suffix)


@pytest.mark.slow
@pytest.mark.parametrize("quantised", [False, True])
def test_it_trains(run: Run, folder: Path, quantised: bool) -> None:
    ran = run(
        model__name_or_path=str(folder),
        quantization__enabled=quantised,
        data__max_length=1024,
        training__max_steps=2,
        training__per_device_train_batch_size=1,
    )

    assert ran.verdict == "completed", ran.failure


def test_experts_are_quantised_or_left(values: dict[str, Any], folder: Path) -> None:
    def floating(**changes: Any) -> set[str]:
        config = configuration(
            values, model__name_or_path=str(folder), quantization__enabled=True, **changes
        )
        names = fused_expert_parameters(load_base(config).model)
        return {name.rpartition(".")[2] for name in names}

    both = {"gate_up_proj", "down_proj"}
    assert floating() == set()
    assert floating(quantization__quantize_experts=False) == both
    assert floating(quantization__bits=8) == both
    adapted = {"lora__target_parameters": EXPERTS[:1], "lora__lora_dropout": 0.0}
    assert floating(**adapted) == {"gate_up_proj"}


@pytest.mark.slow
def test_experts_get_adapters(run: Run, folder: Path) -> None:
    ran = run(
        model__name_or_path=str(folder),
        lora__target_parameters=EXPERTS,
        lora__lora_dropout=0.0,
        data__max_length=1024,
        training__max_steps=2,
        training__per_device_train_batch_size=1,
    )

    assert ran.verdict == "completed", ran.failure
    assert ran.of("done")[-1].data["verification"]["changes_the_base"]
