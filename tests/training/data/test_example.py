"""Instructions of the configuration, and text in place of images."""

from __future__ import annotations

from typing import Any

from deepsynth_tui.conversations.dataset import row_to_conversation
from deepsynth_tui.training.data.example import ExampleBuilder
from tests.training.conftest import configuration
from tests.training.small_datasets import row


def test_the_configured_instruction_replaces_the_question(values: dict[str, Any]) -> None:
    data = configuration(values, data__instruction="Hm?").data
    conversation = row_to_conversation(row(0), 0)
    example = ExampleBuilder(data, images=True, text_encoder=False).build(conversation)
    assert example.messages[0]["content"][-1]["text"] == "Hm?"


def test_a_text_only_model_reads_the_text_of_the_pages(values: dict[str, Any]) -> None:
    conversation = row_to_conversation(row(0), 0)
    builder = ExampleBuilder(configuration(values).data, images=False, text_encoder=False)
    example = builder.build(conversation)
    assert example.images == []
    assert example.messages[0]["content"][0]["text"].startswith(row(0)["prompted_text"])
