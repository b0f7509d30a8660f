"""Help texts of a field. Pure: no widgets."""

from __future__ import annotations

from collections.abc import Sequence

from deepsynth_tui.config.fields import FieldSpec, as_text
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.tui.forms.values import PRESET_ROW_PREFIX


def field_facts(spec: FieldSpec) -> str:
    """Return choices or range, unit, default and key of a field, on one line."""
    if spec.key.startswith(PRESET_ROW_PREFIX):
        return "← → to step · Enter for the list"
    choices = ", ".join(as_text(choice) for choice in spec.choices)
    default = as_text(spec.default) or ("none" if spec.optional else "")
    is_stepped = spec.suggested or spec.kind == "bool" or (spec.choices and spec.kind != "list")
    steps = "← → to step" if is_stepped else ""
    initial = f"default {default}" if default else ""
    facts = [choices or spec.range_text, spec.unit, initial, spec.key, steps]
    return " · ".join(fact for fact in facts if fact)


def completions(spec: FieldSpec, names: Sequence[str], matches: Sequence[str]) -> str:
    """Return what a text can be completed to, or the columns to choose from; empty for neither.

    Of paths the last part: they all begin like the text.
    """
    if spec.holds == "column" and names:
        return f"columns: {', '.join(names)} · ← → to step · {spec.key}"
    if len(matches) < 2:
        return ""
    ends = [match.rstrip("/").rpartition("/")[2] + "/" * match.endswith("/") for match in matches]
    return f"Tab takes the first of {len(matches)}: {'  '.join(ends[:20])}"


def fix_hint(problem: Problem) -> str:
    """Return what is wrong and how to fix it. In a narrow column the field shows less."""
    if not problem.hint:
        return problem.message
    separator = "." if problem.hint[0].isupper() else ":"
    return f"{problem.message.rstrip('.')}{separator} {problem.hint}"
