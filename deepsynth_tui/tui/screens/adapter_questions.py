"""Choices and checks of what is asked before adapters are examined, merged or exported.

A check returns what is wrong, empty if nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

EXPORTS = (
    ("peft", "a folder that PEFT loads, with its processor"),
    ("zip", "the same, packed, with code that runs it"),
    ("merged", "a model: the adapter merged into its base"),
    ("vllm", "for vLLM's LoRA loader"),
    ("gguf", "for llama.cpp; needs its converter"),
)
"""Formats, and what they are for."""
ONTO = ("auto", "full", "dequantized")
"""What the adapter is merged onto."""


def exam_problem(values: Mapping[str, str]) -> str:
    """Return what is wrong with the pages of an exam."""
    if not values["data"]:
        return "Pages must not be empty"
    limit = values["limit"]
    is_count = not limit or (limit.isdecimal() and int(limit) > 0)
    return "" if is_count else "At most must be a whole number >= 1"


def merge_problem(values: Mapping[str, str]) -> str:
    """Return what is wrong with what is asked of a merge."""
    if values["onto"] not in ONTO:
        return f"Onto must be one of {', '.join(ONTO)}"
    try:
        is_divergence = not values["drift"] or float(values["drift"]) >= 0
    except ValueError:
        is_divergence = False
    return output_problem(values) if is_divergence else "Max drift must be a number >= 0"


def output_problem(values: Mapping[str, str]) -> str:
    """Return what is wrong with the place that a new model is written to."""
    if not values["output"]:
        return "Where to write must not be empty"
    path = Path(values["output"]).expanduser()
    is_free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    return "" if is_free else f"{path} exists; choose a new one"
