"""The declared fields and sections of a configuration model as plain values.

A form, the help, the error messages and every table about fields are derived from these.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from deepsynth_tui.config.setting import FieldEffects, Holds, OnResume, SectionInfo, Settings

Kind = Literal["bool", "int", "float", "text", "choice", "list", "mapping"]
_MODULE_NAME = re.compile(r"\A[A-Za-z_][\w.]*\Z")


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A declared field. `key` is dotted; the other attributes are described in `setting`.

    `choices` of a list are those of its items.
    """

    key: str
    name: str
    label: str
    kind: Kind
    default: Any
    help: str
    unit: str = ""
    optional: bool = False
    choices: tuple[Any, ...] = ()
    suggested: tuple[Any, ...] = ()
    placeholder: str = ""
    holds: Holds = ""
    range_text: str = ""
    advanced: bool = False
    pattern_allowed: bool = False
    yaml_only: bool = False
    in_preflight: bool = False
    affects_memory: bool = False
    on_resume: OnResume = "fixed"
    resume_from: str | None = None
    selects_rows: bool = False
    in_older_runs: Any = None

    @property
    def expected(self) -> str:
        """What a value must be, for an error message: `a whole number >= 1`."""
        kinds = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "text": "text",
            "list": "a list",
            "mapping": "name: value pairs",
            "choice": "one of " + ", ".join(as_text(choice) for choice in self.choices),
        }
        expected = f"{kinds[self.kind]} {self.range_text}".rstrip()
        if self.kind == "list" and self.choices:
            return f"a list of {', '.join(map(as_text, self.choices))}"
        if self.kind == "mapping" and self.choices:
            return f"{', '.join(map(as_text, self.choices))} or {expected}"
        return expected

    def from_text(self, text: str) -> Any:
        """Return the value that `text`, typed into a form, stands for.

        Text that cannot be a value of this kind is returned unchanged; validation reports it.
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
            # A plain name is a list of one; `all-linear` and regular expressions stay a string.
            return items if _MODULE_NAME.match(items[0]) else items[0]
        numbers = [_number(int, item) for item in items]
        return numbers if items and all(isinstance(n, int) for n in numbers) else items


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """A declared section with its fields in the order of declaration; see `SectionInfo`."""

    key: str
    title: str
    help: str
    fields: tuple[FieldSpec, ...]
    summary: str = ""
    preset_resets: bool = True

    @property
    def switch(self) -> FieldSpec | None:
        """The field that turns the whole section on, if there is one."""
        return next((field for field in self.fields if field.name == "enabled"), None)

    def summarize(self, values: Mapping[str, Any]) -> str:
        """Return the summary with `values`, by dotted key, filled in; empty if there is none."""
        return self.summary.format_map(
            {field.name: as_text(values[field.key]) or field.placeholder for field in self.fields}
        )


def as_text(value: Any) -> str:
    """Return `value` as a form shows it; `FieldSpec.from_text` is the inverse."""
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
def sections(model: type[Settings]) -> tuple[SectionSpec, ...]:
    """Return the sections of a configuration model; its top-level fields come first, keyed ""."""
    top_level: list[FieldSpec] = []
    specs: list[SectionSpec] = []
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            specs.append(_section_spec(name, annotation))
        elif name != "kind":
            top_level.append(_field_spec(name, name, info, model.section))
    return (SectionSpec("", "", (model.__doc__ or "").strip(), tuple(top_level)), *specs)


@cache
def fields_by_key(model: type[Settings]) -> dict[str, FieldSpec]:
    """Return every field of a configuration model by its dotted key."""
    return {field.key: field for section in sections(model) for field in section.fields}


def item_model(model: type[Settings], name: str) -> type[Settings] | None:
    """Return the model of the items if the field `name` is a list of sections."""
    info = model.model_fields.get(name)
    items = get_args(info.annotation) if info and get_origin(info.annotation) is list else ()
    section = next(iter(items), None)
    is_section = isinstance(section, type) and issubclass(section, Settings)
    return section if is_section else None


def _section_spec(key: str, model: type[Settings]) -> SectionSpec:
    info = model.section
    fields = tuple(
        _field_spec(f"{key}.{name}", name, field, info)
        for name, field in model.model_fields.items()
    )
    return SectionSpec(
        key=key,
        title=info.title or key.replace("_", " ").capitalize(),
        help=(model.__doc__ or "").strip(),
        fields=fields,
        summary=info.summary,
        preset_resets=info.preset_resets,
    )


def _field_spec(key: str, name: str, info: FieldInfo, section: SectionInfo) -> FieldSpec:
    options = _union_members(info.annotation)
    optional = type(None) in options
    options = [option for option in options if option is not type(None)]
    extra: Any = info.json_schema_extra
    effects = next(item for item in info.metadata if isinstance(item, FieldEffects))
    kind, choices = _kind(options)
    return FieldSpec(
        key=key,
        name=name,
        label=info.title or "",
        kind=kind,
        default=info.get_default(call_default_factory=True),
        help=info.description or "",
        unit=extra["unit"],
        optional=optional,
        choices=choices,
        suggested=tuple(extra["suggested"]),
        placeholder=effects.placeholder or ("none" if optional else ""),
        holds=effects.holds,
        range_text=_range_text(info),
        advanced=extra["advanced"],
        pattern_allowed=kind == "list" and str in options,
        yaml_only=extra["yaml_only"],
        in_preflight=_either(effects.in_preflight, section.in_preflight),
        affects_memory=_either(effects.affects_memory, section.affects_memory),
        on_resume=effects.on_resume or section.on_resume,
        resume_from=effects.resume_from or section.resume_from,
        selects_rows=effects.selects_rows,
        in_older_runs=effects.in_older_runs,
    )


def _either(own: bool | None, inherited: bool) -> bool:
    return inherited if own is None else own


def _union_members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return list(get_args(annotation))
    return [annotation]


def _kind(options: list[Any]) -> tuple[Kind, tuple[Any, ...]]:
    origins = {get_origin(option): option for option in options}
    if Literal in origins and dict in origins:
        return "mapping", get_args(origins[Literal])
    for option in options:
        if get_origin(option) is Literal:
            return "choice", get_args(option)
        if get_origin(option) is list:
            (item,) = get_args(option)
            return "list", get_args(item) if get_origin(item) is Literal else ()
        if get_origin(option) is dict:
            return "mapping", ()
    by_type: dict[Any, Kind] = {bool: "bool", float: "float", int: "int", str: "text"}
    return next(kind for type_, kind in by_type.items() if type_ in options), ()


def _range_text(info: FieldInfo) -> str:
    """Return the bounds as `>= 1`, `> 0 and <= 1` or `from 0 to 0.5`; empty if there are none."""
    bounds: dict[str, str] = {}
    for item in info.metadata:
        for name, symbol in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
            if (limit := getattr(item, name, None)) is not None:
                bounds[symbol] = f"{limit:g}"
    if bounds.keys() == {">=", "<="}:
        return f"from {bounds['>=']} to {bounds['<=']}"
    return " and ".join(f"{symbol} {limit}" for symbol, limit in bounds.items())


def _number(convert: type[int] | type[float], text: str) -> int | float | str:
    try:
        return convert(text)
    except ValueError:
        return text


def _mapping_from(text: str) -> dict[str, Any] | str:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(separator for _, separator, _ in pairs):
        return text
    values = {name.strip(): _number(int, value.strip()) for name, _, value in pairs}
    return {
        name: _number(float, value) if isinstance(value, str) else value
        for name, value in values.items()
    }
