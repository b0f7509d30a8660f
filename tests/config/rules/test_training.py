"""Rules between the fields of a training run: each is reported at its key."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.problems import ConfigError, Problem

MINIMAL = "kind: training\ndata:\n  path: pages\n"


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        load_text(f"{MINIMAL}{text}\n")
    return raised.value.problems


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("name: a/b", "name"),
        ("output: {dir: 'gs://bucket/runs'}", "output.dir"),
        ("model: {trust_remote_code: true}", "model.trust_remote_code"),
        ("model: {min_pixels: 9, max_pixels: 4}", "model.min_pixels"),
        ("quantization: {enabled: true}\nlora: {enabled: false}", "quantization.enabled"),
        ("quantization: {enabled: true, towers: []}", "quantization.towers"),
        ("quantization: {towers: [language, head]}", "quantization.towers"),
        ("lora: {target_parameters: [experts]}", "lora.lora_dropout"),
        (
            "text_encoder: {enabled: true, name_or_path: e}\ntraining: {padding_free: true}",
            "training.padding_free",
        ),
        (
            "model: {attn_implementation: eager}\ntraining: {padding_free: true}",
            "training.padding_free",
        ),
        ("training: {padding_free: true, use_liger_kernel: true}", "training.padding_free"),
        ("lora: {target_modules: []}", "lora.target_modules"),
        ("lora: {target_modules: '('}", "lora.target_modules"),
        ("lora: {use_dora: true, target_parameters: [e], lora_dropout: 0.0}", "lora.use_dora"),
        (
            "lora: {init_lora_weights: pissa}\nquantization: {enabled: true}",
            "lora.init_lora_weights",
        ),
        (
            "lora: {enabled: false}\nmodel: {dtype: float16}\ntraining: {fp16: true, bf16: false}",
            "model.dtype",
        ),
        ("lora: {enabled: false}", "model.dtype"),
        (
            "text_encoder: {enabled: true, name_or_path: e, trainable: full}",
            "text_encoder.trainable",
        ),
        (
            "lora: {modules_to_save: [lm_head]}\ntraining: {fp16: true, bf16: false}",
            "lora.modules_to_save",
        ),
        (
            "lora: {bias: all}\nmodel: {dtype: float16}\ntraining: {fp16: true, bf16: false}",
            "lora.bias",
        ),
        (
            "model: {freeze_vision_tower: false}\ntraining: {cache_features: 'on'}",
            "training.cache_features",
        ),
        (
            "model: {freeze_projector: false}\ntraining: {cache_features: 'on'}",
            "training.cache_features",
        ),
        ("lora: {rank_pattern: {'(': 4}}", "lora.rank_pattern"),
        ("lora: {alpha_pattern: {'(': 4}}", "lora.alpha_pattern"),
        ("lora: {modules_to_save: ['[']}", "lora.modules_to_save"),
        ("lora: {target_modules: vision}", "lora.target_modules"),
        ("lora: {target_modules: [q_proj, projector]}", "lora.target_modules"),
        ("text_encoder: {enabled: true, name_or_path: ''}", "text_encoder.name_or_path"),
        (
            "text_encoder: {enabled: true, trainable: full}\nmodel: {dtype: float16}\n"
            "training: {fp16: true, bf16: false}",
            "text_encoder.trainable",
        ),
        ("training: {fp16: true}", "training.fp16"),
        ("training: {eval_steps: 5}", "training.eval_steps"),
        ("training: {eval_on_start: true}", "training.eval_on_start"),
        ("training: {early_stopping_patience: 5}", "training.early_stopping_patience"),
        ("training: {max_steps: 0}", "training.max_steps"),
        ("output: {push_to_hub: true}", "output.hub_model_id"),
        ("training: {vision_learning_rate: 1.0e-5}", "training.vision_learning_rate"),
        ("training: {projector_learning_rate: 1.0e-5}", "training.projector_learning_rate"),
        (
            "training: {loraplus_lr_ratio: 4.0}\nlora: {enabled: false}\nmodel: {dtype: float32}",
            "training.loraplus_lr_ratio",
        ),
        ("training: {loraplus_lr_ratio: 4.0, optim: muon}", "training.loraplus_lr_ratio"),
        ("lora: {trainable_token_indices: [-1]}", "lora.trainable_token_indices"),
        (
            "lora: {init_lora_weights: eva, trainable_token_indices: [3]}",
            "lora.init_lora_weights",
        ),
        (
            "lora: {init_lora_weights: eva}\ntext_encoder: {enabled: true}",
            "lora.init_lora_weights",
        ),
        (
            "lora: {init_lora_weights: eva, target_parameters: [e], lora_dropout: 0.0}",
            "lora.init_lora_weights",
        ),
        ("training: {lr_scheduler_kwargs: {min_lr: 1.0e-5}}", "training.lr_scheduler_kwargs"),
        ("training: {lr_scheduler_type: cosine_with_min_lr}", "training.lr_scheduler_kwargs"),
        (
            "training: {lr_scheduler_type: cosine_with_min_lr, lr_scheduler_kwargs: {min_lr: 1}}",
            "training.lr_scheduler_kwargs",
        ),
        ("training: {lr_scheduler_type: warmup_stable_decay}", "training.lr_scheduler_kwargs"),
        (
            "training: {lr_scheduler_type: warmup_stable_decay, "
            "lr_scheduler_kwargs: {num_decay_steps: 5, decay_type: steep}}",
            "training.lr_scheduler_kwargs",
        ),
    ],
)
def test_each_rule_reports_its_key(text: str, key: str):
    assert [problem.key for problem in problems_of(text)] == [key]


@pytest.mark.parametrize(
    ("tower", "key"),
    [("vision", "model.freeze_vision_tower"), ("projector", "model.freeze_projector")],
)
def test_a_frozen_tower_cannot_be_a_target(tower: str, key: str):
    targets = f"lora: {{target_modules: [{tower}, q_proj]}}\n"
    (problem,) = problems_of(targets)
    assert key in problem.message
    assert key in problem.hint
    assert "lora.target_modules" in problem.hint
    section, name = key.split(".")
    assert load_text(MINIMAL + targets + f"{section}: {{{name}: false}}\n")


def test_an_unknown_tower_is_named_with_the_nearest():
    (problem,) = problems_of("quantization: {towers: [language, visoin]}")
    assert problem.message == "must be a list of language, vision, projector, got visoin"
    assert problem.hint == "did you mean vision?"
