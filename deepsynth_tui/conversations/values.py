"""Values of rows as text: questions, answers and system prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from deepsynth_tui.conversations.errors import UnusableRow

# Columns in which each item of a list is a complete answer, as in DocVQA. The first is learned.
ALTERNATIVES_NAMES = frozenset(
    ("answers", "labels", "label", "captions", "responses", "references", "ground_truths")
)
ANSWER_KEYS = ("answer", "text", "value")  # of objects in such lists, as in VQAv2 and SQuAD


def to_text(value: Any) -> str:
    """Return a value as text: numbers and booleans as in JSON, objects as JSON.

    Raises:
        UnusableRow: a list, or bytes.
    """
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case Mapping():
            try:
                return json.dumps(value, ensure_ascii=False)
            except TypeError as error:
                raise UnusableRow("an object that cannot be written as JSON") from error
        case Decimal():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            raise UnusableRow(
                f"a list of {len(value)} values where text is expected",
                "Choose one value of each list, or join them, in the dataset.",
            )
        case _:
            raise UnusableRow(
                f"a value of type {type(value).__name__} where text is expected",
                "Name a column with text.",
            )


def answer_text(value: Any, column: str) -> str:
    """Return the answer that is learned.

    Of a list with one value that value, of a list of alternative answers the first.

    Raises:
        UnusableRow: there is no answer, or a list of several that are not alternatives.
    """
    value = first_answer(value, column)
    try:
        text = to_text(value)
    except UnusableRow as error:
        raise UnusableRow(f"column {column!r} holds {error.reason}", error.advice) from error
    if not text.strip():
        raise UnusableRow(
            "the answer is empty, so there is nothing to learn",
            f"Fill column {column} or remove the row.",
        )
    return text


def first_answer(value: Any, column: str) -> Any:
    """Return the first of alternative answers; a value that is no list as it is."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):  # SQuAD
        return first_answer(value["text"], "answers")
    if not isinstance(value, list):
        return value
    distinct = {json.dumps(item, default=str) for item in value}
    if len(distinct) > 1 and column.lower() not in ALTERNATIVES_NAMES:
        return value
    first = value[0] if value else None
    if isinstance(first, Mapping):
        return next((first[key] for key in ANSWER_KEYS if key in first), first)
    return first
