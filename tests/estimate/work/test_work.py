"""The estimated work of a step matches the operations of small models with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.work.step import step_work
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models import layout_server
from deepsynth_tui.models.dimensions import text_dimensions
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.lora_targets import resolve_target_modules
from deepsynth_tui.training.token_loss import compute_token_loss
from tests.estimate.models import configure, shipped
from tests.estimate.operations import Operations, operations

ROWS, LENGTH = 2, 48
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 512,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 96}


@dataclass(frozen=True)
class Case:
    """A model, and its changes to the default configuration."""

    model_type: str
    lora: dict[str, Any]
    training: dict[str, Any]

    def __str__(self) -> str:
        options = {**self.lora, **self.training}
        return "-".join([self.model_type, *(f"{key}={value}" for key, value in options.items())])


CASES = [
    Case("llama", {"lora_dropout": 0.0}, {"gradient_checkpointing": True}),
    Case("llama", {"lora_dropout": 0.1}, {"gradient_checkpointing": True}),
    Case("llama", {"lora_dropout": 0.0}, {"gradient_checkpointing": False}),
    Case("llama", {"lora_dropout": 0.0}, {"gradient_checkpointing": False, "bf16": False}),
    Case("llama", {"enabled": False}, {"gradient_checkpointing": False}),
    Case("qwen3", {"lora_dropout": 0.05}, {"gradient_checkpointing": True}),
    Case("qwen3_moe", {"lora_dropout": 0.0}, {"gradient_checkpointing": True}),
]


def estimate_and_count(case: Case) -> tuple[Work, Operations]:
    """Return the estimated and the counted work of a step without its optimizer."""
    figures = SHAPE | (EXPERTS if "moe" in case.model_type else {})
    config = AutoConfig.for_model(case.model_type, **figures)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    layout = ModelLayout(
        case.model_type,
        None,
        "model",
        type(model).__name__,
        "folder",
        layout_server.group_weights(model),
        text_dimensions(config),
        None,
    )
    settings = configure(
        lora={"r": 8, **case.lora},
        training={
            "per_device_train_batch_size": ROWS,
            "gradient_accumulation_steps": 1,
            **case.training,
        },
    )
    work = step_work(settings, layout, count_trainable(settings, layout), length=LENGTH, patches=0)
    if settings.lora.enabled:
        targets = resolve_target_modules(layout.linears, settings.lora, settings.model)
        lora = LoraConfig(
            r=settings.lora.r,
            lora_dropout=settings.lora.lora_dropout,
            target_modules=list(targets),
        )
        model = get_peft_model(model, lora)
        model.enable_input_require_grads()
    if settings.training.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    compute_token_loss(model)
    model.train()
    tokens = torch.randint(0, config.vocab_size, (ROWS, LENGTH))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.training.bf16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()

    return work, operations(step)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_estimated_work_matches_the_counted_work(case: Case):
    work, counter = estimate_and_count(case)
    assert work.matmul_flops == pytest.approx(counter.matmul, rel=0.01)
    assert work.elementwise_bytes == pytest.approx(counter.traffic, rel=0.12)
    assert work.kernel_launches == pytest.approx(counter.kernels, rel=0.25)


def work_of(
    name: str = "Qwen/Qwen3-VL-2B-Instruct", patches: int = 0, **sections: dict[str, Any]
) -> Work:
    """Return the work of a step: a shipped model, 1024 tokens a row, one batch unless set."""
    training = {"gradient_accumulation_steps": 1, **sections.pop("training", {})}
    settings = configure(training=training, **sections)
    layout = shipped(name)
    trainable = count_trainable(settings, layout)
    return step_work(settings, layout, trainable, length=1024, patches=patches)


def test_a_frozen_vision_tower_runs_only_forward():
    text_only, frozen = work_of(), work_of(patches=4096)
    trained = work_of(patches=4096, model={"freeze_vision_tower": False})
    vision_flops = frozen.matmul_flops - text_only.matmul_flops
    vision = shipped("Qwen/Qwen3-VL-2B-Instruct").tower_params("vision")
    assert vision_flops > 2 * 4096 * vision
    assert trained.matmul_flops - text_only.matmul_flops > 3 * vision_flops


def test_window_attention_needs_fewer_flops_than_full_attention():
    def scores(name: str) -> float:
        """Return the FLOPs per patch that grow with the page."""
        few, many = (work_of(name, patches=patches).matmul_flops for patches in (2048, 8192))
        return (many - 4 * few + 3 * work_of(name).matmul_flops) / 8192

    assert 0 < scores("Qwen/Qwen2.5-VL-3B-Instruct") < scores("Qwen/Qwen3-VL-2B-Instruct")
    assert scores("HuggingFaceTB/SmolVLM2-256M-Video-Instruct") == pytest.approx(0, abs=1)


def test_the_second_encoder_of_deepseek_ocr_2_reads_merged_patches():
    name = "deepseek-community/DeepSeek-OCR-2"
    per_patch = (work_of(name, patches=1).matmul_flops - work_of(name).matmul_flops) / 2
    assert per_patch < 0.5 * shipped(name).tower_params("vision")


def test_only_quantised_weights_are_dequantised():
    assert work_of().dequantized_bytes == 0
    four = work_of(quantization={"enabled": True, "bits": 4})
    eight = work_of(quantization={"enabled": True, "bits": 8})
    assert 0 < four.dequantized_bytes < eight.dequantized_bytes


def test_micro_batches_repeat_all_work_except_the_optimizer():
    single = work_of(training={"gradient_accumulation_steps": 1})
    four = work_of(training={"gradient_accumulation_steps": 4})
    assert four.matmul_flops == 4 * single.matmul_flops
    assert four.elementwise_bytes == 4 * single.elementwise_bytes
    assert four.kernel_launches == 4 * single.kernel_launches
    assert four.optimizer_bytes == single.optimizer_bytes


def test_sdpa_needs_a_mask_for_batches_of_several_rows():
    alone = work_of(training={"per_device_train_batch_size": 1})
    padded = work_of(training={"per_device_train_batch_size": 2})
    flash = work_of(
        model={"attn_implementation": "flash_attention_2"},
        training={"per_device_train_batch_size": 2},
    )
    assert alone.masked_attention_flops == 0 < alone.causal_attention_flops
    assert padded.causal_attention_flops == 0
    assert padded.masked_attention_flops == 2 * flash.causal_attention_flops


def test_eager_attention_adds_traffic_and_flops():
    eager = work_of(model={"attn_implementation": "eager"})
    fused = work_of()
    assert eager.elementwise_bytes > fused.elementwise_bytes
    assert eager.matmul_flops > fused.matmul_flops


def test_text_encoder_work_grows_with_its_trainable_part():
    encoder = shipped("Qwen/Qwen3-Embedding-0.6B", "encoder")

    def flops_with_encoder(trainable: str) -> float:
        settings = configure(text_encoder={"enabled": True, "trainable": trainable})
        layout = shipped("Qwen/Qwen3-VL-2B-Instruct")
        trainable_count = count_trainable(settings, layout)
        return step_work(
            settings, layout, trainable_count, length=1024, patches=0, encoder=encoder
        ).matmul_flops

    assert (
        work_of().matmul_flops
        < flops_with_encoder("frozen")
        < flops_with_encoder("lora")
        < flops_with_encoder("full")
    )
