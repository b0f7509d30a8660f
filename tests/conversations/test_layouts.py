"""Rows of any supported layout become the same conversation, or are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.conversations.columns import Columns
from deepsynth_tui.conversations.dataset import row_to_conversation
from deepsynth_tui.conversations.errors import RowError
from tests.training.small_datasets import INSTRUCTION, row

ROW: dict[str, Any] = row(0)


def test_messages_and_columns() -> None:
    conversation = row_to_conversation(ROW, 0)
    assert conversation.messages[:-1] == [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": INSTRUCTION}]}
    ]
    without_messages = row_to_conversation({**ROW, "messages": None}, 0)
    assert without_messages == conversation
    assert without_messages.answer == ROW["target"]

    single_image = {"page": ROW["images"][0], "answer": "yes"}
    conversation = row_to_conversation(single_image, 0, Columns("page", "answer"))
    assert conversation.images == [ROW["images"][0]]


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
def test_unusable_rows_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        row_to_conversation(ROW | changes, 0)
