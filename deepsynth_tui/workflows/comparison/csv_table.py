"""A comparison as CSV: a row per run, its figures in bytes and seconds, its differing settings."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from deepsynth_tui.workflows.comparison.cells import shown_text
from deepsynth_tui.workflows.comparison.compare import Comparison

_FORMULA = ("=", "+", "-", "@", "\t")


def comparison_csv(comparison: Comparison) -> str:
    """Return the table. Text that a spreadsheet would run as a formula starts with an apostrophe.

    A list or mapping is JSON; a missing value is empty.
    """
    figures = comparison.shown_figures()
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "name", "kind", "state", "gpu", *figures, *comparison.differing])
    for index, run in enumerate(comparison.runs):
        settings = [values[index] for values in comparison.differing.values()]
        texts = [run.run.id, run.name, run.kind, run.state, run.gpu]
        numbers = [run.figures.get(name) for name in figures]
        writer.writerow([_cell(value) for value in (*texts, *numbers, *settings)])
    return file.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    text = shown_text(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
