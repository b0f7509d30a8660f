"""TRL `prompt` and `completion`: text, or lists of messages. Only the completion is learned.

{"images": [..], "prompt": [{"role": "user", ..}], "completion": [{"role": "assistant", ..}]}
{"image": .., "prompt": "What is this?", "completion": "A page."}
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deepsynth_tui.conversations.layouts.layout import Row, RowColumns
from deepsynth_tui.conversations.turns import Tags, Turn, read_turns
from deepsynth_tui.conversations.values import answer_text, to_text


def prompt_completion_turns(row: Row, columns: RowColumns) -> list[Turn]:
    """Return the turns of the prompt, none of them learned, and those of the completion."""
    assert columns.question is not None
    assert columns.completion is not None
    prompt = [
        replace(turn, learned=False) if turn.role == "assistant" else turn
        for turn in _turns(row.get(columns.question), "user", columns.tags)
    ]
    completion = row.get(columns.completion)
    if not _is_conversation(completion):
        completion = answer_text(completion, columns.completion)
    return prompt + _turns(completion, "assistant", columns.tags)


def _turns(value: Any, role: str, tags: Tags) -> list[Turn]:
    return read_turns(value, tags) if _is_conversation(value) else [Turn(role, to_text(value))]


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
