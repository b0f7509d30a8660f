"""Fields as forms, help and the JSON Schema use them."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.fields import FieldSpec, as_text, fields_by_key, sections
from deepsynth_tui.config.setting import Settings
from deepsynth_tui.config.training import TrainingConfig

ALL_FIELDS = [
    (model, field)
    for model in (TrainingConfig, DatasetConfig)
    for field in fields_by_key(model).values()
]


@pytest.mark.parametrize(
    ("model", "field"), ALL_FIELDS, ids=lambda value: getattr(value, "key", "")
)
def test_every_field_has_help_and_survives_a_form(model: type[Settings], field: FieldSpec):
    assert field.help.endswith((".", "?"))
    choices = [[item] for item in field.choices] if field.kind == "list" else field.choices
    for value in (field.default, *field.suggested, *choices):
        assert field.from_text(as_text(value)) == value


@pytest.mark.parametrize("model", [TrainingConfig, DatasetConfig])
def test_the_json_schema_has_the_same_declarations(model: type[Settings]):
    schema = model.model_json_schema()
    for section in sections(model):
        owner = schema
        if section.key:
            reference = schema["properties"][section.key]["$ref"].rpartition("/")[2]
            owner = schema["$defs"][reference]
        for field in section.fields:
            declared = owner["properties"][field.name]
            assert declared["title"] == field.label
            assert declared["description"] == field.help
            assert declared["default"] == field.default
            assert declared["unit"] == field.unit


def test_sections_with_a_switch():
    switches = {section.key: section.switch for section in sections(TrainingConfig)}
    assert {key for key, switch in switches.items() if switch} == {
        "lora",
        "quantization",
        "text_encoder",
    }


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("lora.r", "32", 32),
        ("lora.r", "lots", "lots"),
        ("training.learning_rate", "2e-5", 2e-5),
        ("training.eval_steps", " ", None),
        ("quantization.bits", "8", 8),
        ("lora.init_lora_weights", "true", True),
        ("lora.target_modules", "all-linear", "all-linear"),
        ("lora.target_modules", "q_proj", ["q_proj"]),
        ("lora.target_modules", "q_proj, v_proj", ["q_proj", "v_proj"]),
        ("lora.target_modules", r".*\.q_proj", r".*\.q_proj"),
        ("lora.layers_to_transform", "0, 1", [0, 1]),
        ("lora.rank_pattern", "q_proj=8, v=4", {"q_proj": 8, "v": 4}),
        ("lora.rank_pattern", "q_proj", "q_proj"),
        (
            "training.lr_scheduler_kwargs",
            "num_decay_steps=5, min_lr_ratio=1e-2, decay_type=linear",
            {"num_decay_steps": 5, "min_lr_ratio": 0.01, "decay_type": "linear"},
        ),
    ],
)
def test_text_to_value(key: str, text: str, value: object):
    assert fields_by_key(TrainingConfig)[key].from_text(text) == value


def test_range_text():
    fields = fields_by_key(TrainingConfig)
    assert fields["lora.lora_dropout"].range_text == "from 0 to 0.5"
    assert fields["training.learning_rate"].range_text == "> 0"
    assert fields["data.eval_fraction"].range_text == ">= 0 and < 1"


def test_suggested_ranks_and_alphas():
    fields = fields_by_key(TrainingConfig)
    assert (fields["lora.r"].suggested[0], fields["lora.r"].suggested[-1]) == (4, 128)
    assert (fields["lora.lora_alpha"].suggested[0], fields["lora.lora_alpha"].suggested[-1]) == (
        8,
        256,
    )
