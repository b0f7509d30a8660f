"""The fields that a form shows first, in its rows of one or two. All others are in sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepsynth_tui.config.fields import FieldSpec, SectionSpec
from deepsynth_tui.tui.forms.values import PRESET_ROW_PREFIX, visible_fields

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind

ESSENTIAL_ROWS: Mapping[RunKind, tuple[tuple[str, ...], ...]] = {
    "training": (
        ("data.path",),
        ("model.name_or_path",),
        ("name",),
        (f"{PRESET_ROW_PREFIX}lora",),
        (f"{PRESET_ROW_PREFIX}training",),
        ("lora.r",),
        ("lora.lora_alpha",),
        ("training.learning_rate",),
        ("quantization.enabled", "quantization.bits"),
        ("training.per_device_train_batch_size", "training.gradient_accumulation_steps"),
        ("training.num_train_epochs", "training.max_steps"),
        ("data.max_length", "data.eval_fraction"),
    ),
    "dataset": (
        ("source.path",),
        ("source.text_column", "source.target_column"),
        ("instruction",),
        ("name",),
        (f"{PRESET_ROW_PREFIX}dataset",),
        ("rows", "on_overflow"),
        ("page.preset", "page.font_size"),
        ("source.max_samples", "flaws.bad_rows"),
        ("output.eval_fraction", "num_proc"),
    ),
}
"""Keys of fields and of preset rows, in the order of the form. The first one is focused."""


def essential_keys(kind: RunKind) -> tuple[str, ...]:
    """Return the keys of `ESSENTIAL_ROWS` in their order."""
    return tuple(key for row in ESSENTIAL_ROWS[kind] for key in row)


def folded_fields(kind: RunKind, section: SectionSpec) -> tuple[FieldSpec, ...]:
    """Return the fields of a section that are shown in it, not among the essential ones."""
    essential = essential_keys(kind)
    return tuple(field for field in visible_fields(section) if field.key not in essential)
