"""Conversations are rendered with the model's chat template, or with the fallback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.example import Truncation
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training import small_models
from tests.training.conftest import configuration
from tests.training.small_datasets import INSTRUCTION, example, row

ROW: dict[str, Any] = row(0)


def _load(values: dict[str, Any], folder: Path) -> Collator:
    config = configuration(values, model__name_or_path=str(folder))
    return Collator(load_preprocessor(config, local_files_only=True), config)


def test_the_models_own_template(values: dict[str, Any], language_model: Path) -> None:
    collator = _load(values, language_model)
    template = collator.chat_template
    chat = template.render(example(collator, ROW))
    assert not template.is_fallback
    assert chat.prompt.endswith(f"{INSTRUCTION}<|im_end|>\n<|im_start|>assistant\n")
    assert chat.answer == ROW["target"] + "<|im_end|>\n"


def test_the_fallback(values: dict[str, Any], tmp_path: Path) -> None:
    folder = small_models.language_model(tmp_path / "model", chat_template=False)
    collator = _load(values, folder)
    template = collator.chat_template
    chat = template.render(example(collator, ROW))
    assert template.is_fallback
    assert chat.prompt.endswith(f"{INSTRUCTION}\n")
    assert chat.answer == ROW["target"] + "<|im_end|>"


def test_a_truncated_answer_has_no_end_of_turn(
    values: dict[str, Any], language_model: Path
) -> None:
    collator = _load(values, language_model)
    truncation = Truncation("answer", 3, total=len(ROW["target"]))
    chat = collator.render(example(collator, ROW, truncation=truncation))
    assert chat.answer == ROW["target"][:3]


def test_a_template_that_changes_the_question_is_refused(
    values: dict[str, Any], language_model: Path
) -> None:
    collator = _load(values, language_model)
    collator.tokenizer.chat_template = "{{ messages | length }}"
    with pytest.raises(TrainingError, match=r"row 0 .* renders the question differently"):
        collator.render(example(collator, ROW))
