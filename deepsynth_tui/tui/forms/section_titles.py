"""What the title of a section says while the section is closed. Pure: no widgets."""

from __future__ import annotations

from deepsynth_tui.config.fields import SectionSpec
from deepsynth_tui.tui.forms.values import FormValues


def section_state(section: SectionSpec, form: FormValues) -> str:
    """Return `off`, or a section's most telling values; empty where it needs no summary."""
    if section.switch and form.values[section.switch.key] is not True:
        return "off"
    return section.summarize(form.values)


def changes_text(count: int) -> str:
    """Return how many fields differ from the preset, in words; empty for none."""
    return f"{count} changed" if count else ""


def problems_text(count: int) -> str:
    """Return how many fields have a problem, in words; empty for none."""
    return f"✗ {count} problem{'s' if count > 1 else ''}" if count else ""
