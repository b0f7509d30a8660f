"""The names of the export formats; apart, as `--help` needs them without pydantic."""

from __future__ import annotations

from typing import Literal

ExportFormatName = Literal[
    "llamafactory",
    "ms-swift",
    "qwen",
    "trl",
    "trl-prompt-completion",
    "olmocr",
    "webdataset",
    "imagefolder",
]

ExportTarget = Literal[ExportFormatName, "skypilot"]
"""What `export --to` writes: a dataset in a format, or a training configuration as a task."""
