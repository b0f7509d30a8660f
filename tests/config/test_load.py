"""Text becomes a configuration, or a list of every problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import (
    check_values,
    fill_defaults,
    load_file,
    load_record,
    load_text,
)
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


def test_missing_fields_have_their_default():
    config = training(MINIMAL)
    assert config.lora.r == 16
    assert config.model.name_or_path == "deepseek-community/DeepSeek-OCR-2"


def test_every_mistake_is_reported_with_its_line():
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


def test_quoted_numbers_and_booleans_are_not_numbers():
    problems = problems_of(MINIMAL + 'lora:\n  r: "16"\n  lora_alpha: true\n')
    assert [problem.key for problem in problems] == ["lora.r", "lora.lora_alpha"]


def test_a_misplaced_key_gets_a_hint():
    (problem,) = problems_of(MINIMAL + "learning_rate: 1.0e-4\n")
    assert problem.hint == "did you mean text_encoder.learning_rate or training.learning_rate?"


def test_a_misspelled_section_gets_a_hint():
    (problem,) = problems_of(MINIMAL + "quantisation:\n  enabled: true\n")
    assert (problem.key, problem.hint) == ("quantisation", "did you mean quantization?")


def test_a_rule_is_skipped_if_a_field_it_depends_on_is_invalid():
    keys = [problem.key for problem in problems_of(MINIMAL + "training: {fp16: 3, bf16: true}\n")]
    assert keys == ["training.fp16"]


def test_names_of_other_tools_are_accepted_with_a_notice():
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


def test_a_declared_name_wins_over_one_of_another_tool():
    assert training(MINIMAL + "lora: {r: 4}\nlora_rank: 8\n").lora.r == 4


def test_a_preset_sets_the_fields_that_are_missing():
    config = training(MINIMAL + "lora:\n  preset: qlora_4bit\n  r: 8\n")
    assert (config.lora.r, config.lora.lora_alpha) == (8, 32)
    assert config.quantization.enabled
    (problem,) = problems_of(MINIMAL + "lora: {preset: qlora_4bti}\n")
    assert problem.hint == "did you mean qlora_4bit?"


def test_filled_text_keeps_comments_and_does_not_depend_on_presets():
    text = "# mine\n" + MINIMAL + "lora:\n  preset: qlora_4bit  # small\n"
    loaded = load_text(text)
    assert loaded.text.startswith("# mine\n")
    assert "preset: qlora_4bit  # small" in loaded.text
    assert "bits: 4" in loaded.text
    assert load_text(loaded.text).config == loaded.config


def test_filled_text_has_declared_names_only():
    loaded = load_text(MINIMAL + "lora_rank: 8\n")
    assert "lora_rank" not in loaded.text
    assert load_text(loaded.text).config == loaded.config


def test_unreadable_files(tmp_path: Path):
    with pytest.raises(ConfigError, match="No such file"):
        load_file(tmp_path / "missing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_file(tmp_path / "latin.yaml")
    (tmp_path / "open.yaml").write_text("kind: training\nlora: {r: 1\n")
    with pytest.raises(ConfigError, match=r"open\.yaml:3: invalid YAML"):
        load_file(tmp_path / "open.yaml")


@pytest.mark.parametrize("text", ["", "kind: tuning\n", "name: x\n"])
def test_an_unknown_kind_lists_the_kinds(text: str):
    (problem,) = problems_of(text)
    assert problem.key == "kind"
    assert problem.hint == "one of: training, dataset"


def test_a_dataset_configuration():
    config = load_text("kind: dataset\nsource: {path: docs}\ninstruction: Read\n").config
    assert isinstance(config, DatasetConfig)
    assert config.instruction == "Read"


def test_values_from_a_form():
    checked = check_values({"kind": "training", "data": {"path": "x"}, "lora": {"r": "many"}})
    assert checked.config is None
    assert [problem.key for problem in checked.problems] == ["lora.r"]


def test_defaults_can_be_filled_in():
    for config in (TrainingConfig(), DatasetConfig()):
        text = fill_defaults("# mine\n", config)
        assert check_values(config.model_dump()).problems
        assert text.startswith("# mine\n")


def test_estimate_only_skips_rules_that_prevent_a_start():
    text = "kind: training"
    with pytest.raises(ConfigError) as raised:
        load_text(text)
    keys = [problem.key for problem in raised.value.problems]
    assert keys == ["data.path"]
    assert load_text(text, estimate_only=True).config.kind == "training"
    with pytest.raises(ConfigError):
        load_text(text + "\nlora: {r: 0}", estimate_only=True)


def test_a_run_keeps_what_it_did_before_a_field_existed():
    older = load_text(MINIMAL, of_run=True)
    assert isinstance(older.config, TrainingConfig)
    assert older.config.data.learn_turns == "last"
    assert training(older.text).data.learn_turns == "last"
    assert training(MINIMAL).data.learn_turns == "all"
    newer = load_text(load_text(MINIMAL).text, of_run=True).config
    assert isinstance(newer, TrainingConfig)
    assert newer.data.learn_turns == "all"


@pytest.mark.parametrize("preset", ["", "lora: {preset: qlora_4bit}\n"])
def test_an_older_run_keeps_its_vision_tower_quantized(preset: str):
    text = f"{MINIMAL}\n{preset}"
    older = load_text(text, of_run=True)
    assert isinstance(older.config, TrainingConfig)
    assert older.config.quantization.towers == ["language", "vision", "projector"]
    assert training(text).quantization.towers == ["language"]
    assert training(older.text).quantization.towers == older.config.quantization.towers
    written = older.config.model_dump(mode="json")
    assert load_record(written) == older.config
    del written["quantization"]["towers"]
    assert load_record(written) == older.config


def test_a_masked_history_is_the_last_turn():
    assert (
        training("kind: training\nmask_history: true\n" + MINIMAL[15:]).data.learn_turns == "last"
    )
