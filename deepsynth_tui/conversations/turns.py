"""Turns of a conversation as datasets write them, with the roles and parts of `Message`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.conversations.conversation import image_part, text_part
from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.conversations.schema import IMAGE_PART_TYPES
from deepsynth_tui.conversations.values import to_text

ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}
TOOL_ROLES = frozenset(
    (
        *("tool", "tool_call", "tool_calls", "tool_response", "function", "function_call"),
        *("observation", "ipython"),
    )
)
TEXT_PART_TYPES = frozenset({"text", "input_text", "output_text"})
IMAGE_REFERENCE_KEYS = ("image", "image_url", "url", "path", "base64", "data", "bytes")
LEARNED_KEYS = ("loss", "train", "training", "weight")
"""Whether a turn is learned, as written for ms-swift, axolotl and OpenAI."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The keys of a turn, and names of roles besides `ROLES`."""

    role: str = "role"
    content: str = "content"
    roles: Mapping[str, str] | None = None

    def role_of(self, name: Any) -> str:
        """Return the role that a dataset calls `name`. Raises `UnusableRow`."""
        roles = ROLES if self.roles is None else {**ROLES, **self.roles}
        role = roles.get(str(name)) or roles.get(str(name).lower())
        if role is not None:
            return role
        if str(name).lower() in TOOL_ROLES:
            raise UnusableRow(
                f"a turn of role {name!r}: tool calls are not supported",
                "Remove the row, or the turns that call tools.",
            )
        raise UnusableRow(
            f"a turn of unknown role {name!r}",
            "Roles are user (or human), assistant (or gpt) and system.",
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn before its images are found.

    Attributes:
        role: user, assistant or system.
        content: Text in which `<image>` stands for an image, or parts; an image part may have
            its own reference under `image`.
        learned: Whether the dataset wants an answer to be learned, None if it does not say.
    """

    role: str
    content: str | list[dict[str, Any]]
    learned: bool | None = None


def read_turns(value: Any, tags: Tags) -> list[Turn]:
    """Return the turns in a column with messages. Raises `UnusableRow`."""
    if isinstance(value, str):
        value = _parse_json(value)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not value:
        raise UnusableRow("a conversation without turns", "Remove the row.")
    return [_read_turn(item, tags) for item in value]


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnusableRow(
            "a conversation that is neither a list of turns nor JSON text",
            "Name the column with the conversation with data.messages_column.",
        ) from error


def _read_turn(item: Any, tags: Tags) -> Turn:
    if not isinstance(item, Mapping):
        raise UnusableRow(f"a turn that is {type(item).__name__}, not an object")
    if tags.role not in item or tags.content not in item:
        missing = tags.role if tags.role not in item else tags.content
        raise UnusableRow(
            f"a turn without {missing!r}; its keys are {', '.join(map(str, item)) or 'none'}",
            "Give every turn a role and a content.",
        )
    role = tags.role_of(item[tags.role])
    for key in ("tool_calls", "function_call"):
        if item.get(key):
            raise UnusableRow(
                "a turn that calls tools, which is not supported",
                "Remove the row, or the turns that call tools.",
            )
    return Turn(role, _read_content(item[tags.content]), _learned(item))


def _learned(item: Mapping[str, Any]) -> bool | None:
    for key in LEARNED_KEYS:
        value = item.get(key)
        if value is None:
            continue
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            raise UnusableRow(
                f"a turn with {key} {json.dumps(value, default=str)}, which is neither 1 nor 0",
                "An answer is learned or not: write 1 or 0, or leave it out.",
            )
        return bool(value)
    return None


def _read_content(content: Any) -> str | list[dict[str, Any]]:
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return to_text(content)
    return [part for item in content for part in _read_part(item)]


def _read_part(item: Any) -> list[dict[str, Any]]:
    """Return a part of a message: text, or an image with its reference if it has one."""
    if isinstance(item, str):
        return [text_part(item)]
    if not isinstance(item, Mapping):
        raise UnusableRow(f"a part of a message that is {type(item).__name__}, not an object")
    part = {key: value for key, value in item.items() if value is not None}  # nulls of Parquet
    kind = part.get("type")
    if kind is None:
        kind = next((key for key in ("text", "image", "image_url") if key in part), None)
    if kind in TEXT_PART_TYPES:
        text = part.get("text")
        if isinstance(text, Mapping) and isinstance(text.get("value"), str):
            text = text["value"]
        if not isinstance(text, str):
            raise UnusableRow(f"a text part without text; its keys are {', '.join(part)}")
        return [text_part(text)]
    if kind in IMAGE_PART_TYPES:
        reference = next((part[key] for key in IMAGE_REFERENCE_KEYS if key in part), None)
        if isinstance(reference, Mapping) and isinstance(reference.get("url"), str):
            reference = reference["url"]
        return [image_part() if reference is None else {**image_part(), "image": reference}]
    raise UnusableRow(
        f"a part of type {kind!r} in a message; its keys are {', '.join(item) or 'none'}",
        "Parts are of type text or image; remove rows with video, audio or files.",
    )
