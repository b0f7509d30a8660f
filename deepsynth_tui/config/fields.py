"""How a field is declared, and what can be read off its declaration.

A field is declared once, with `setting`, in a pydantic model. `sections` reads the models back as
plain values (`SectionSpec`, `FieldSpec`) for whatever draws a form or prints help.
"""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Kind = Literal["bool", "int", "float", "text", "choice", "list", "mapping"]

MODULE_NAME = re.compile(r"\A[A-Za-z_][\w.]*\Z")


class Settings(BaseModel):
    """A section. Values are taken as typed (`"16"` is no number), unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def setting(
    default: Any,
    *,
    help: str,
    unit: str = "",
    suggested: Sequence[Any] = (),
    advanced: bool = False,
    yaml_only: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """Declare a field of a section.

    `suggested` are the values that left and right step through in a form, from low to high; any
    value within `ge`, `gt`, `le`, `lt` is accepted. `advanced` fields fold away;
    those that are `yaml_only` have no row in a form, which keeps their value as it is.
    """
    return Field(
        default,
        description=help,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        json_schema_extra={
            "unit": unit,
            "suggested": list(suggested),
            "advanced": advanced,
            "yaml_only": yaml_only,
        },
    )


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A declared field, as a form needs it. `key` is dotted; `low` and `high` are inclusive."""

    key: str
    name: str
    kind: Kind
    default: Any
    help: str
    unit: str = ""
    optional: bool = False
    choices: tuple[Any, ...] = ()
    suggested: tuple[Any, ...] = ()
    range_text: str = ""
    advanced: bool = False
    pattern_allowed: bool = False
    yaml_only: bool = False

    def from_text(self, text: str) -> Any:
        """Return the value that a person means by `text`.

        Text that is no value of this kind is returned as it is: validation then names it.
        """
        text = text.strip()
        if not text and self.optional:
            return None
        match self.kind:
            case "int":
                return _number(int, text)
            case "float":
                return _number(float, text)
            case "choice":
                return next((choice for choice in self.choices if as_text(choice) == text), text)
            case "bool":
                return {"true": True, "false": False}.get(text, text)
            case "list":
                return self._list_from(text)
            case "mapping":
                return _mapping_from(text)
            case _:
                return text

    def _list_from(self, text: str) -> Any:
        items = [item.strip() for item in text.split(",") if item.strip()]
        if self.pattern_allowed and len(items) == 1:
            # one plain name is a list of one; `all-linear` and regular expressions stay a string
            return items if MODULE_NAME.match(items[0]) else items[0]
        numbers = [_number(int, item) for item in items]
        return numbers if items and all(isinstance(n, int) for n in numbers) else items


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """A declared section: its fields in the order of declaration."""

    key: str
    help: str
    fields: tuple[FieldSpec, ...]

    @property
    def switch(self) -> FieldSpec | None:
        """The field that turns the whole section on, where it has one."""
        return next((field for field in self.fields if field.name == "enabled"), None)


def as_text(value: Any) -> str:
    """Return what stands in a form for `value`; `FieldSpec.from_text` reads it back."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={as_text(item)}" for name, item in value.items())
    return str(value)


@cache
def sections(model: type[BaseModel]) -> tuple[SectionSpec, ...]:
    """Return the sections of a configuration model; its plain fields come first, keyed `""`."""
    plain: list[FieldSpec] = []
    found: list[SectionSpec] = []
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            fields = tuple(
                _spec(f"{name}.{inner}", inner, field)
                for inner, field in annotation.model_fields.items()
            )
            found.append(SectionSpec(name, (annotation.__doc__ or "").strip(), fields))
        elif name != "kind":
            plain.append(_spec(name, name, info))
    return (SectionSpec("", (model.__doc__ or "").strip(), tuple(plain)), *found)


@cache
def fields_by_key(model: type[BaseModel]) -> dict[str, FieldSpec]:
    """Return every field of a configuration model by its dotted key."""
    return {field.key: field for section in sections(model) for field in section.fields}


def item_model(model: type[BaseModel], name: str) -> type[Settings] | None:
    """Return what each item of a field is, where that is a list of sections."""
    info = model.model_fields.get(name)
    items = get_args(info.annotation) if info and get_origin(info.annotation) is list else ()
    section = next(iter(items), None)
    is_section = isinstance(section, type) and issubclass(section, Settings)
    return section if is_section else None


def _spec(key: str, name: str, info: FieldInfo) -> FieldSpec:
    options = _union_members(info.annotation)
    optional = type(None) in options
    options = [option for option in options if option is not type(None)]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind, choices = _kind(options)
    return FieldSpec(
        key=key,
        name=name,
        kind=kind,
        default=info.get_default(call_default_factory=True),
        help=info.description or "",
        unit=str(extra.get("unit", "")),
        optional=optional,
        choices=choices,
        suggested=tuple(extra.get("suggested", ())),  # pyright: ignore[reportArgumentType]
        range_text=_range_text(info),
        advanced=bool(extra.get("advanced", False)),
        pattern_allowed=kind == "list" and str in options,
        yaml_only=bool(extra.get("yaml_only", False)),
    )


def _union_members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return list(get_args(annotation))
    return [annotation]


def _kind(options: list[Any]) -> tuple[Kind, tuple[Any, ...]]:
    for option in options:
        if get_origin(option) is Literal:
            return "choice", get_args(option)
        if get_origin(option) is list:
            return "list", ()
        if get_origin(option) is dict:
            return "mapping", ()
    by_type: dict[Any, Kind] = {bool: "bool", float: "float", int: "int", str: "text"}
    return next(kind for type_, kind in by_type.items() if type_ in options), ()


def _range_text(info: FieldInfo) -> str:
    low = high = ""
    for bound in info.metadata:
        low = f"{bound.ge:g}" if getattr(bound, "ge", None) is not None else low
        low = f"above {bound.gt:g}" if getattr(bound, "gt", None) is not None else low
        high = f"{bound.le:g}" if getattr(bound, "le", None) is not None else high
        high = f"below {bound.lt:g}" if getattr(bound, "lt", None) is not None else high
    if low and high:
        return f"{low} to {high}"
    if low:
        return low if low.startswith("above") else f"{low} or more"
    return high if high.startswith("below") else (f"{high} or less" if high else "")


def _number(convert: type[int] | type[float], text: str) -> int | float | str:
    try:
        return convert(text)
    except ValueError:
        return text


def _mapping_from(text: str) -> dict[str, Any] | str:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(separator for _, separator, _ in pairs):
        return text
    return {name.strip(): _number(int, value.strip()) for name, _, value in pairs}
