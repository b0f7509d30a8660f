"""Completions offered by text fields."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.model import DEFAULT_ENCODER, DEFAULT_MODEL
from deepsynth_tui.runs.directory import scan_runs

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
    return [DEFAULT_MODEL, BUILTIN_MODEL]


def encoder_names() -> list[str]:
    """Return text encoders that are known to work."""
    return [DEFAULT_ENCODER, *BUILTIN_ENCODERS]
