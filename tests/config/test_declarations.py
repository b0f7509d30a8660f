"""Every table about fields is derived from their declarations, and has the content it should."""

from __future__ import annotations

from collections import Counter

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.fields import fields_by_key, sections
from deepsynth_tui.config.setting import Settings
from deepsynth_tui.config.source import MixedSource
from deepsynth_tui.config.training import TrainingConfig

MODELS = (TrainingConfig, DatasetConfig)


def keys(model: type[Settings], **attributes: object) -> set[str]:
    return {
        key
        for key, field in fields_by_key(model).items()
        if all(getattr(field, name) == value for name, value in attributes.items())
    }


def in_sections(model: type[Settings], *names: str) -> set[str]:
    return {key for key in fields_by_key(model) if key.partition(".")[0] in names}


@pytest.mark.parametrize("model", [*MODELS, MixedSource])
def test_every_field_has_a_label_that_is_unique_in_its_section(model: type[Settings]):
    for section in sections(model):
        labels = Counter(field.label for field in section.fields)
        assert "" not in labels
        assert not [label for label, count in labels.items() if count > 1]
        assert all(len(label) <= 28 for label in labels)  # the width that a form row has for it


def test_section_titles():
    titles = {section.key: section.title for model in MODELS for section in sections(model)}
    assert titles == {
        "": "",
        "model": "Model",
        "lora": "LoRA",
        "quantization": "QLoRA",
        "text_encoder": "Text encoder",
        "data": "Data",
        "training": "Training",
        "launch": "Launch",
        "output": "Output",
        "source": "Documents",
        "filter": "Filter",
        "page": "Page",
        "degrade": "Degrade",
        "flaws": "Flaws",
    }


def test_section_summaries():
    values = {key: field.default for key, field in fields_by_key(TrainingConfig).items()}
    summaries = {
        section.key: text
        for section in sections(TrainingConfig)
        if (text := section.summarize(values))
    }
    assert summaries == {
        "lora": "r 16 alpha 32",
        "quantization": "4-bit",
        "text_encoder": "qwen3 frozen",
        "launch": "local",
        "output": "a new folder among the runs",
    }
    (output,) = [section for section in sections(DatasetConfig) if section.key == "output"]
    values = {key: field.default for key, field in fields_by_key(DatasetConfig).items()}
    assert output.summarize({**values, "output.dir": "/data/run"}) == "/data/run"


def test_what_texts_hold():
    held = {
        field.name: field.holds
        for model in MODELS
        for field in fields_by_key(model).values()
        if field.holds
    }
    assert {name for name, holds in held.items() if holds == "lines"} == {
        "instruction",
        "system_prompt",
    }
    columns = {name for name, holds in held.items() if holds == "column"}
    assert columns == {
        name
        for name in (f.name for m in MODELS for f in fields_by_key(m).values())
        if name.endswith("_column")
    }
    assert {"path", "dir", "name_or_path"} <= {k for k, holds in held.items() if holds == "path"}


def test_sections_that_presets_do_not_reset():
    kept = {
        section.key for model in MODELS for section in sections(model) if not section.preset_resets
    }
    assert kept == {"source", "model", "data", "launch", "output"}


def test_fields_that_the_preflight_reads():
    assert keys(TrainingConfig, in_preflight=True) == in_sections(
        TrainingConfig,
        "model",
        "text_encoder",
        "data",
        "datasets",
        "quantization",
        "launch",
        "output",
    ) | {"lora.init_from"}
    assert keys(DatasetConfig, in_preflight=True) == in_sections(
        DatasetConfig,
        *("source", "sources", "filter", "instruction", "instructions", "instruction_in"),
        *("rows", "page", "degrade", "control_characters", "normalize", "seed", "output"),
    ) | {"flaws.bad_rows"}


def test_fields_that_a_resumed_training_run_may_change():
    pixels = {"model.min_pixels", "model.max_pixels"}
    length = {"training.max_steps", "training.num_train_epochs"}
    assert keys(TrainingConfig, on_resume="reported") == pixels | length | in_sections(
        TrainingConfig, "quantization"
    )
    assert keys(TrainingConfig, on_resume="free") == in_sections(
        TrainingConfig, "launch", "output"
    ) | {
        "name",
        "model.attn_implementation",
        "data.max_length",
        "training.per_device_train_batch_size",
        "training.per_device_eval_batch_size",
        "training.gradient_accumulation_steps",
        "training.gradient_checkpointing",
        "training.checkpoint_every_n_layers",
        "training.cache_features",
        "training.padding_free",
        "training.dataloader_num_workers",
        "training.save_total_limit",
        "training.report_to",
        "training.fsdp",
    }
    assert keys(TrainingConfig, selects_rows=True) == pixels | {"data.max_length"}


def test_fields_that_a_resumed_dataset_run_may_change():
    assert keys(DatasetConfig, on_resume="free") == {
        "name",
        "num_proc",
        "engine",
        "source.streaming",
        "source.max_document_seconds",
        "source.max_document_memory",
        "output.dir",
        "output.license",
        "output.language",
        "output.formats",
        "output.push_to_hub",
        "output.hub_repo_id",
        "output.hub_private",
    }
    assert keys(DatasetConfig, on_resume="reported") == set()
    assert keys(DatasetConfig, resume_from="stop") == in_sections(DatasetConfig, "flaws")
    assert keys(DatasetConfig, resume_from="error") == {"on_overflow"}


def test_fields_that_affect_memory():
    unaffected = {"lora.preset", "lora.lora_alpha", "lora.alpha_pattern", "lora.use_rslora"}
    unaffected |= {"lora.init_from", "text_encoder.learning_rate"}
    sections_of_the_model = in_sections(
        TrainingConfig, "model", "lora", "quantization", "text_encoder"
    )
    assert keys(TrainingConfig, affects_memory=True) == (sections_of_the_model - unaffected) | {
        "training.per_device_train_batch_size",
        "training.per_device_eval_batch_size",
        "training.gradient_accumulation_steps",
        "training.cache_features",
        "training.padding_free",
        "training.optim",
        "training.bf16",
        "training.fp16",
        "training.gradient_checkpointing",
        "training.checkpoint_every_n_layers",
        "training.num_processes",
        "training.fsdp",
    }
