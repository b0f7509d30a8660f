"""Completions offered by text fields."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.runs.directory import scan_runs
from deepsynth_tui.tui.forms.declared import declared_fields

BUILTIN_MODEL = "builtin:tiny-vlm"
BUILTIN_ENCODERS = ("builtin:tiny-qwen3", "builtin:tiny-bert")
BUILTIN_DOCUMENTS = ("builtin:sample", "builtin:papers")


def dataset_paths(home: Path) -> list[str]:
    """Return the dataset folders of completed runs under `home`, newest first."""
    return [
        str(listed.run.dataset)
        for listed in scan_runs(home)
        if listed.identity is not None
        and listed.identity.kind == "dataset"
        and (listed.run.dataset / "report.json").is_file()
    ]


def model_names() -> list[str]:
    """Return vision-language models that are known to work."""
    return [_default("model.name_or_path"), BUILTIN_MODEL]


def encoder_names() -> list[str]:
    """Return text encoders that are known to work."""
    return [_default("text_encoder.name_or_path"), *BUILTIN_ENCODERS]


def _default(key: str) -> str:
    return str(declared_fields("training")[key].default)
