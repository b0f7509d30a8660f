"""Help texts of a field. Pure: no widgets."""

from __future__ import annotations

from deepsynth_tui.config.fields import FieldSpec, as_text
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.tui.forms.values import PRESET_ROW_PREFIX


def field_facts(spec: FieldSpec) -> str:
    """Return choices or range, unit, default and key of a field, on one line."""
    if spec.key.startswith(PRESET_ROW_PREFIX):
        return "← → to step · Enter for the list"
    choices = ", ".join(as_text(choice) for choice in spec.choices)
    default = as_text(spec.default) or "none"
    is_stepped = spec.suggested or spec.kind == "bool" or (spec.choices and spec.kind != "list")
    steps = "← → to step" if is_stepped else ""
    facts = [choices or spec.range_text, spec.unit, f"default {default}", spec.key, steps]
    return " · ".join(fact for fact in facts if fact)


def fix_hint(problem: Problem) -> str:
    """Return how to fix a problem. The problem itself is shown below the field."""
    return problem.hint or problem.message
