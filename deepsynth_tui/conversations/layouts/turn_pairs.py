"""Pairs of a question and its answer: the Cauldron and FineVision, ms-swift `conversation`.

{"images": [..], "texts": [{"user": "..", "assistant": ".."}, ..]}
{"system": "..", "conversation": [{"human": "..", "assistant": ".."}, ..]}
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.conversations.layouts.layout import Row, RowColumns
from deepsynth_tui.conversations.turns import Tags, Turn
from deepsynth_tui.conversations.values import to_text

QUESTION_KEYS = ("user", "human", "question", "query")
ANSWER_KEYS = ("assistant", "gpt", "bot", "answer", "response")


def pair_tags(keys: Set[str]) -> Tags | None:
    """Return the keys of question and answer among the keys of objects, if there are both."""
    question = next((key for key in QUESTION_KEYS if key in keys), None)
    answer = next((key for key in ANSWER_KEYS if key in keys), None)
    return Tags(question, answer) if question and answer else None


def pair_turns(row: Row, columns: RowColumns) -> list[Turn]:
    """Return a question and an answer for each pair; `tags` are the keys of both."""
    assert columns.messages is not None
    pairs = row.get(columns.messages)
    if not isinstance(pairs, list) or not pairs:
        raise UnusableRow("a conversation without turns", "Remove the row.")
    turns: list[Turn] = []
    for pair in pairs:
        if not isinstance(pair, Mapping):
            raise UnusableRow(f"a turn that is {type(pair).__name__}, not an object")
        turns += [
            Turn("user", to_text(pair.get(columns.tags.role))),
            Turn("assistant", to_text(pair.get(columns.tags.content))),
        ]
    return turns
