"""A list of turns: TRL and OpenAI `messages`, LLaVA and ShareGPT `conversations`, ms-swift, Qwen.

    {"images": [..], "messages": [{"role": "user", "content": ..}, {"role": "assistant", ..}]}
    {"image": "a.png", "conversations": [{"from": "human", "value": "<image>\\n.."}, ..]}

The content is text, in which `<image>` stands for an image, or a list of parts.
"""

from __future__ import annotations

from collections.abc import Set

from deepsynth_tui.conversations.layouts.layout import Row, RowColumns
from deepsynth_tui.conversations.layouts.question_answer import question_turn
from deepsynth_tui.conversations.turns import LEARNED_KEYS, Tags, Turn, read_turns

ROLE_KEYS = ("role", "from", "speaker")
CONTENT_KEYS = ("content", "value", "text")
KNOWN_KEYS = frozenset({"role", "content", "from", "value", *LEARNED_KEYS, "tool_calls"})


def tags_of(keys: Set[str]) -> Tags | None:
    """Return the keys of turns among the keys of the objects in a column, if there are any."""
    role = next((key for key in ROLE_KEYS if key in keys), None)
    content = next((key for key in CONTENT_KEYS if key in keys), None)
    return Tags(role, content) if role and content else None


def messages_turns(row: Row, columns: RowColumns) -> list[Turn]:
    """Return the turns of the messages column; without any, the question is the instruction."""
    assert columns.messages is not None
    value = row.get(columns.messages)
    if not value and columns.answer and row.get(columns.answer) is not None:
        return [question_turn(row, columns.instruction)]
    return read_turns(value, columns.tags)
