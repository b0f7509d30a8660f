"""Titles of sections, with a summary of their values. Pure: no widgets."""

from __future__ import annotations

from deepsynth_tui.config.fields import SectionSpec
from deepsynth_tui.tui.forms.values import FormValues

NAMES = {"lora": "LoRA", "quantization": "QLoRA", "source": "Documents"}

SUMMARIES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "lora": lambda v: f"r {as_text(v['lora.r'])} alpha {as_text(v['lora.lora_alpha'])}",
    "quantization": lambda v: f"{as_text(v['quantization.bits'])}-bit",
    "text_encoder": lambda v: (
        f"{as_text(v['text_encoder.type'])} {as_text(v['text_encoder.trainable'])}"
    ),
    "output": lambda v: as_text(v["output.dir"]) or "run folder",
}


def section_name(key: str) -> str:
    """Return the name of a section on screen."""
    return NAMES.get(key) or key.replace("_", " ").capitalize()


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
