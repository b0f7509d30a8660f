"""The declared fields and sections of a configuration model as plain values.

A form, the help, the error messages and every table about fields are derived from these. Importing
this module does not import pydantic, which takes longer than the form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from deepsynth_tui.config.setting import Holds, OnResume, Settings

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


def sections(model: type[Settings]) -> tuple[SectionSpec, ...]:
    """Return the sections of a configuration model; its top-level fields come first, keyed ""."""
    from deepsynth_tui.config.declared_fields import derive_sections  # imports pydantic

    return derive_sections(model)


@cache
def fields_by_key(model: type[Settings]) -> dict[str, FieldSpec]:
    """Return every field of a configuration model by its dotted key."""
    return {field.key: field for section in sections(model) for field in section.fields}


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
