"""From text to a configuration, or to every reason why it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import check_values, fill_defaults, load_file, load_text
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.config.training import TrainingConfig

MINIMAL = "kind: training\ndata:\n  path: pages\n"


def problems_of(text: str, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        load_text(text, overrides, file="my.yaml")
    return raised.value.problems


def training(text: str, *overrides: str) -> TrainingConfig:
    config = load_text(text, overrides).config
    assert isinstance(config, TrainingConfig)
    return config


def test_what_is_not_set_has_its_default():
    config = training(MINIMAL)
    assert config.lora.r == 16
    assert config.model.name_or_path == "deepseek-community/DeepSeek-OCR-2"


def test_five_mistakes_are_five_lines_with_their_place():
    problems = problems_of(
        "kind: training\n"
        "lora:\n"
        "  r: 0\n"
        "  lora_alpah: 8\n"
        "quantization:\n"
        "  quant_type: nf5\n"
        "training:\n"
        "  learning_rate: fast\n"
        "  fp16: true\n"
        "  bf16: true\n"
        "data: {path: pages}\n"
    )
    assert [(problem.line, problem.key) for problem in problems] == [
        (3, "lora.r"),
        (4, "lora.lora_alpah"),
        (6, "quantization.quant_type"),
        (8, "training.learning_rate"),
        (9, "training.fp16"),
    ]
    assert str(problems[0]) == "my.yaml:3: lora.r: must be a whole number >= 1, got 0"
    assert problems[1].hint == "did you mean lora.lora_alpha?"
    assert problems[2].hint == "did you mean nf4?"


def test_a_number_in_quotes_and_a_truth_value_are_no_numbers():
    problems = problems_of(MINIMAL + 'lora:\n  r: "16"\n  lora_alpha: true\n')
    assert [problem.key for problem in problems] == ["lora.r", "lora.lora_alpha"]


def test_a_key_at_the_wrong_place_is_told_where_it_belongs():
    (problem,) = problems_of(MINIMAL + "learning_rate: 1.0e-4\n")
    assert problem.hint == "did you mean training.learning_rate?"


def test_a_misspelt_section_is_named():
    (problem,) = problems_of(MINIMAL + "quantisation:\n  enabled: true\n")
    assert (problem.key, problem.hint) == ("quantisation", "did you mean quantization?")


def test_a_rule_waits_until_what_it_reads_is_valid():
    keys = [problem.key for problem in problems_of(MINIMAL + "training: {fp16: 3, bf16: true}\n")]
    assert keys == ["training.fp16"]


def test_foreign_names_are_taken_and_said():
    loaded = load_text(MINIMAL + "lora_rank: 8\nload_in_4bit: true\ntraining: {batch_size: 2}\n")
    assert isinstance(loaded.config, TrainingConfig)
    assert loaded.config.lora.r == 8
    assert loaded.config.quantization.enabled
    assert loaded.config.training.per_device_train_batch_size == 2
    assert [str(notice) for notice in loaded.notices] == [
        "lora_rank: read as lora.r: 8",
        "load_in_4bit: read as quantization.enabled: true and quantization.bits: 4",
        "training.batch_size: read as training.per_device_train_batch_size: 2",
    ]


def test_our_name_wins_over_a_foreign_one():
    assert training(MINIMAL + "lora: {r: 4}\nlora_rank: 8\n").lora.r == 4


def test_an_override_beats_the_file_and_is_named_when_wrong():
    assert (
        training(MINIMAL + "lora: {r: 4}\n", "lora.r=64", "training.learning_rate=2e-5").lora.r
        == 64
    )
    (problem,) = problems_of(MINIMAL, "lora.r=big")
    assert str(problem) == "--set: lora.r: must be a whole number >= 1, got big"
    (problem,) = problems_of(MINIMAL, "lora.r")
    assert problem.message == "must be section.key=value"


def test_a_preset_fills_what_is_not_set_beside_it():
    config = training(MINIMAL + "lora:\n  preset: qlora_4bit\n  r: 8\n")
    assert (config.lora.r, config.lora.lora_alpha) == (8, 32)
    assert config.quantization.enabled
    (problem,) = problems_of(MINIMAL + "lora: {preset: qlora_4bti}\n")
    assert problem.hint == "did you mean qlora_4bit?"


def test_the_completed_text_keeps_comments_and_means_the_same_without_presets():
    text = "# mine\n" + MINIMAL + "lora:\n  preset: qlora_4bit  # small\n"
    loaded = load_text(text)
    assert loaded.text.startswith("# mine\n")
    assert "preset: qlora_4bit  # small" in loaded.text
    assert "bits: 4" in loaded.text
    assert load_text(loaded.text).config == loaded.config


def test_the_completed_text_of_foreign_names_has_ours_only():
    loaded = load_text(MINIMAL + "lora_rank: 8\n")
    assert "lora_rank" not in loaded.text
    assert load_text(loaded.text).config == loaded.config


def test_files_that_cannot_be_read_say_why(tmp_path: Path):
    with pytest.raises(ConfigError, match="No such file"):
        load_file(tmp_path / "missing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_file(tmp_path / "latin.yaml")
    (tmp_path / "open.yaml").write_text("kind: training\nlora: {r: 1\n")
    with pytest.raises(ConfigError, match=r"open\.yaml:3: invalid YAML"):
        load_file(tmp_path / "open.yaml")


@pytest.mark.parametrize("text", ["", "kind: tuning\n", "name: x\n"])
def test_a_file_that_is_no_run_is_told_the_kinds(text: str):
    (problem,) = problems_of(text)
    assert problem.key == "kind"
    assert problem.hint == "one of: training, dataset"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("name: a/b", "name"),
        ("model: {trust_remote_code: true}", "model.trust_remote_code"),
        ("model: {min_pixels: 9, max_pixels: 4}", "model.min_pixels"),
        ("quantization: {enabled: true}\nlora: {enabled: false}", "quantization.enabled"),
        ("lora: {target_parameters: [experts]}", "lora.lora_dropout"),
        ("lora: {target_modules: []}", "lora.target_modules"),
        ("lora: {target_modules: '('}", "lora.target_modules"),
        ("lora: {use_dora: true, target_parameters: [e], lora_dropout: 0.0}", "lora.use_dora"),
        (
            "lora: {init_lora_weights: pissa}\nquantization: {enabled: true}",
            "lora.init_lora_weights",
        ),
        (
            "lora: {enabled: false}\nmodel: {dtype: float16}\ntraining: {fp16: true, bf16: false}",
            "training.fp16",
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
    ],
)
def test_rules_between_fields(text: str, key: str):
    assert [problem.key for problem in problems_of(MINIMAL + text + "\n")] == [key]


@pytest.mark.parametrize(
    ("tower", "key"),
    [("vision", "model.freeze_vision_tower"), ("projector", "model.freeze_projector")],
)
def test_a_tower_is_not_both_frozen_and_a_target(tower: str, key: str):
    named = f"lora: {{target_modules: [{tower}, q_proj]}}\n"
    (problem,) = problems_of(MINIMAL + named)
    assert key in problem.message
    assert key in problem.hint
    assert "lora.target_modules" in problem.hint
    section, name = key.split(".")
    assert training(MINIMAL + named + f"{section}: {{{name}: false}}\n")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("source: {path: ''}", "source.path"),
        ("source: {path: a}\npage: {width: 100}", "page.width"),
        ("source: {path: a}\noutput: {push_to_hub: true}", "output.hub_repo_id"),
    ],
)
def test_rules_between_fields_of_a_dataset(text: str, key: str):
    assert [problem.key for problem in problems_of("kind: dataset\n" + text + "\n")] == [key]


def test_a_dataset_configuration_loads():
    config = load_text("kind: dataset\nsource: {path: docs}\ninstruction: Read\n").config
    assert isinstance(config, DatasetConfig)
    assert config.instruction == "Read"


def test_values_from_a_form_are_checked_the_same_way():
    checked = check_values({"kind": "training", "data": {"path": "x"}, "lora": {"r": "many"}})
    assert checked.config is None
    assert [problem.key for problem in checked.problems] == ["lora.r"]


def test_every_default_survives_the_round_trip():
    for config in (TrainingConfig(), DatasetConfig()):
        text = fill_defaults("# mine\n", config)
        assert check_values(config.model_dump()).problems
        assert text.startswith("# mine\n")


def test_what_only_keeps_a_run_from_starting_can_be_estimated():
    text = "kind: training"
    with pytest.raises(ConfigError) as refused:
        load_text(text)
    keys = [problem.key for problem in refused.value.problems]
    assert keys == ["data.path"]
    assert load_text(text, estimate_only=True).config.kind == "training"
    with pytest.raises(ConfigError):
        load_text(text + "\nlora: {r: 0}", estimate_only=True)
