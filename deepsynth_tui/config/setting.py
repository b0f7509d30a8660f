"""How a field is declared: once, with `setting`, in a `Settings` model.

Everything the rest of the program knows about a field (its label and help, whether a resumed run
may change it, whether it affects memory) is part of that declaration. What applies to a whole
section is in the `SectionInfo` of its model. `fields` returns the declarations as plain values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Holds = Literal["", "path", "column", "lines"]
"""What a text is: a path of a file or folder, the name of a column, or lines of text."""
OnResume = Literal["fixed", "free", "reported"]
"""Whether a resumed run may change a field. "fixed": no, what is already saved depends on it.
"free": yes. "reported": yes, but the change affects the result and is reported to the user."""


@dataclass(frozen=True, slots=True)
class SectionInfo:
    """What a section declares about itself, and the defaults for its fields.

    Attributes:
        title: Name on screen; empty: the key in words.
        summary: Text beside the title while the section is collapsed, with `{field}` for values.
        preset_resets: Whether a preset that sets one field of the section resets the others.
        in_preflight, affects_memory, on_resume, resume_from: Defaults for the fields, described
            in `setting`.
    """

    title: str = ""
    summary: str = ""
    preset_resets: bool = True
    in_preflight: bool = False
    affects_memory: bool = False
    on_resume: OnResume = "fixed"
    resume_from: str | None = None


class Settings(BaseModel):
    """A section. Values are not converted (`"16"` is no number), unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    section: ClassVar[SectionInfo] = SectionInfo()


@dataclass(frozen=True, slots=True)
class FieldEffects:
    """What a field affects. None: as its section declares. Not part of the JSON Schema."""

    placeholder: str
    holds: Holds
    in_preflight: bool | None
    affects_memory: bool | None
    on_resume: OnResume | None
    resume_from: str | None
    selects_rows: bool
    in_older_runs: Any


def setting(
    default: Any,
    *,
    label: str,
    help: str,
    unit: str = "",
    suggested: Sequence[Any] = (),
    placeholder: str = "",
    holds: Holds = "",
    advanced: bool = False,
    yaml_only: bool = False,
    in_preflight: bool | None = None,
    affects_memory: bool | None = None,
    on_resume: OnResume | None = None,
    resume_from: str | None = None,
    selects_rows: bool = False,
    in_older_runs: Any = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """Declare a field of a section.

    Args:
        default: Value of a field that is not set.
        label: Name on screen, unique within the section.
        help: One or two sentences.
        unit: Unit of a number.
        suggested: Values that the left and right keys step through in a form, ascending.
        placeholder: What an empty value means; by default "none" if the field is optional.
        holds: What the text of a text field is.
        advanced: Whether a form hides the field behind "more".
        yaml_only: Whether a form has no row for the field, and keeps its value as it is.
        in_preflight: Whether the preflight checks read the field, so that they run again on a
            change. This and the next three default to what the section declares.
        affects_memory: Whether the peak memory of a training step depends on the field.
        on_resume: Whether a resumed run may change the field.
        resume_from: Former value of a "fixed" field that a resumed run may change: it stopped the
            run before anything was saved that another value would treat differently.
        selects_rows: Whether the field decides which rows are too long.
        in_older_runs: Value in runs that were started before the field existed, if not the
            default.
        ge, gt, le, lt: Bounds of a number.
    """
    info = Field(
        default,
        title=label,
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
    info.metadata.append(
        FieldEffects(
            placeholder,
            holds,
            in_preflight,
            affects_memory,
            on_resume,
            resume_from,
            selects_rows,
            in_older_runs,
        )
    )
    return info
