"""Rows of any supported format become the same conversation, or are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.training.data.formats import ROW_INDEX, row_to_conversation
from deepsynth_tui.training.failures import TrainingError
from tests.training.conftest import configuration
from tests.training.small_datasets import INSTRUCTION, row

ROW: dict[str, Any] = row(0) | {ROW_INDEX: 0}


def test_messages_and_columns(values: dict[str, Any]) -> None:
    data = configuration(values).data
    conversation = row_to_conversation(ROW, data, images=True)
    assert conversation.question == [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": INSTRUCTION}]}
    ]

    without_messages = row_to_conversation({**ROW, "messages": None}, data, images=True)
    assert without_messages.question == conversation.question
    assert without_messages.answer == ROW["target"]

    data_with_instruction = data.model_copy(update={"instruction": "Hm?"})
    question = row_to_conversation(ROW, data_with_instruction, images=True).question
    assert question[0]["content"][-1]["text"] == "Hm?"

    single_image = {ROW_INDEX: 0, "page": ROW["images"][0], "answer": "yes"}
    columns = data.model_copy(update={"image_column": "page", "target_column": "answer"})
    assert row_to_conversation(single_image, columns, images=True).images == [ROW["images"][0]]

    text_only = row_to_conversation(ROW, data, images=False)
    assert text_only.images == []
    assert text_only.question[0]["content"][0]["text"].startswith(ROW["prompted_text"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": ""}, "row 0 .document doc-0.: the answer is empty"),
        ({"images": []}, "1 image parts in its messages, but 0 images"),
        (
            {"target": None, "messages": [{"role": "user", "content": "x"}]},
            "the last message is by user",
        ),
    ],
)
def test_unusable_rows_are_named(values: dict[str, Any], changes: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        row_to_conversation(ROW | changes, configuration(values).data, images=True)
