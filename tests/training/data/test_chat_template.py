"""Conversations are rendered with the model's chat template, or with the fallback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.training.data.chat_template import ChatTemplate
from deepsynth_tui.training.data.formats import ROW_INDEX, Truncation
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.processor import Preprocessor, load_preprocessor
from tests.training import small_models
from tests.training.conftest import configuration
from tests.training.small_datasets import INSTRUCTION, row

ROW: dict[str, Any] = row(0) | {ROW_INDEX: 0}


def _load(values: dict[str, Any], folder: Path) -> tuple[Preprocessor, Any]:
    config = configuration(values, model__name_or_path=str(folder))
    return load_preprocessor(config, local_files_only=True), config.data


def test_the_models_own_template(values: dict[str, Any], language_model: Path) -> None:
    template = ChatTemplate(*_load(values, language_model))
    chat = template.render(ROW)
    assert not template.is_fallback
    assert chat.prompt.endswith(f"{INSTRUCTION}<|im_end|>\n<|im_start|>assistant\n")
    assert chat.answer == ROW["target"] + "<|im_end|>\n"


def test_the_fallback(values: dict[str, Any], tmp_path: Path) -> None:
    folder = small_models.language_model(tmp_path / "model", chat_template=False)
    template = ChatTemplate(*_load(values, folder))
    chat = template.render(ROW)
    assert template.is_fallback
    assert chat.prompt.endswith(f"{INSTRUCTION}\n")
    assert chat.answer == ROW["target"] + "<|im_end|>"


def test_a_truncated_answer_has_no_end_of_turn(
    values: dict[str, Any], language_model: Path
) -> None:
    template = ChatTemplate(*_load(values, language_model))
    chat = template.render({**ROW, Truncation.KEY: Truncation("answer", 3)})
    assert chat.answer == ROW["target"][:3]


def test_a_template_that_changes_the_question_is_refused(
    values: dict[str, Any], language_model: Path
) -> None:
    preprocessor, data = _load(values, language_model)
    preprocessor.tokenizer.chat_template = "{{ messages | length }}"
    with pytest.raises(TrainingError, match=r"row 0 .* renders the question differently"):
        ChatTemplate(preprocessor, data).render(ROW)
