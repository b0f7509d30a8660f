"""A page with two questions, which only the text encoder reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.builtin import TINY_BERT, TINY_QWEN3
from tests.training import small_datasets
from tests.training.small_datasets import row

QUESTIONS = {"Is it red?": "yes", "Is it green?": "no"}


ENCODERS = {"qwen3": TINY_QWEN3, "bert": TINY_BERT}


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of the same image with each of the questions."""
    rows = [row_with_question(question, answer) for question, answer in QUESTIONS.items()]
    return small_datasets.write(tmp_path_factory.mktemp("questions") / "data", rows)


def row_with_question(question: str, answer: str) -> dict[str, Any]:
    """Return the first page with another question."""
    changed: dict[str, Any] = row(0) | {"instruction": question, "target": answer}
    changed["messages"][0]["content"][-1]["text"] = question
    return changed | {"prompted_text": f"{question} {changed['text']}"}


def encoder_settings(family: str, **changes: Any) -> dict[str, Any]:
    """Return a `text_encoder` section with the builtin encoder of a family."""
    settings = {"enabled": True, "type": family, "name_or_path": ENCODERS[family], "max_length": 64}
    return settings | changes
