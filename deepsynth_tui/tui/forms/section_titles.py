"""Titles of sections, with a summary of their values. Pure: no widgets."""

from __future__ import annotations

from deepsynth_tui.config.fields import SectionSpec
from deepsynth_tui.tui.forms.values import FormValues


def section_state(section: SectionSpec, form: FormValues) -> str:
    """Return `off` or a section's most important values; empty if it has no summary."""
    if section.switch and form.values[section.switch.key] is not True:
        return "off"
    return section.summarize(form.values)


def changes_text(count: int) -> str:
    """Return the number of fields that differ from the preset as text, empty for none."""
    return f"{count} changed" if count else ""


def problems_text(count: int) -> str:
    """Return the number of fields with a problem as text, empty for none."""
    return f"✗ {count} problem{'s' if count > 1 else ''}" if count else ""
