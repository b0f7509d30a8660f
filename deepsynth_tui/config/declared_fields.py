"""Fields and sections as plain values, derived from a pydantic model."""

from __future__ import annotations

import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from deepsynth_tui.config.fields import FieldSpec, Kind, SectionSpec
from deepsynth_tui.config.setting import FieldEffects, SectionInfo, Settings


@cache
def derive_sections(model: type[Settings]) -> tuple[SectionSpec, ...]:
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
