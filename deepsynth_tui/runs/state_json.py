"""A `RunState` as JSON and back, by the types that its fields are declared with."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from deepsynth_tui.runs.json_file import BadContent, finite_integer, finite_number
from deepsynth_tui.runs.state import RunState


def encode(state: RunState) -> dict[str, Any]:
    """Return `state` as JSON types."""
    return _encode(state)


def decode(content: object) -> RunState:
    """Return the state that `encode` returned as `content`.

    Raises:
        BadContent: A field is missing, unknown or of another type.
    """
    return _decode(RunState, content)


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _encode(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_encode(item) for item in value]
    return value


def _decode(kind: Any, content: Any) -> Any:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if origin in (types.UnionType, Union):
        return None if content is None else _decode(arguments[0], content)
    if origin is tuple and isinstance(content, list) and len(content) == len(arguments):
        return tuple(map(_decode, arguments, content))
    if origin is Sequence and isinstance(content, list):
        return tuple(_decode(arguments[0], item) for item in content)
    if origin is Mapping and isinstance(content, dict):
        return MappingProxyType({k: _decode(arguments[1], item) for k, item in content.items()})
    if is_dataclass(kind) and isinstance(content, dict):
        make, hints = cast(Any, kind), _hints(kind)
        if content.keys() == hints.keys():
            return make(**{name: _decode(hint, content[name]) for name, hint in hints.items()})
    if kind is int and (integer := finite_integer(content)) is not None:
        return integer
    if kind is float and (number := finite_number(content)) is not None:
        return number
    if kind is object or (kind in (str, bool) and isinstance(content, kind)):
        return content
    raise BadContent(f"{content!r:.40} in place of {kind}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
