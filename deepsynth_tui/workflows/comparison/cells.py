"""What stands in the cells of a comparison, for every form it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.terminal_text import terminal_text
from deepsynth_tui.workflows.comparison.compare import Comparison
from deepsynth_tui.workflows.comparison.figures import FIGURES

EMPTY = "–"


def shown_text(value: Any) -> str:
    """Return text of a run on one line, without what reorders or hides what stands beside it."""
    return " ".join(terminal_text(str(value)).split())


def setting_text(value: Any) -> str:
    """Return the value of a setting as a form shows it."""
    return shown_text(as_text(value)) or EMPTY


def figure_rows(comparison: Comparison) -> Iterator[tuple[str, list[str], frozenset[int]]]:
    """Yield label, a text for each run, and which of them are the best, of each figure."""
    for name in comparison.shown_figures():
        values = [run.figures.get(name) for run in comparison.runs]
        texts = [EMPTY if value is None else FIGURES[name].format(value) for value in values]
        yield FIGURES[name].label, texts, comparison.best(name)


def setting_rows(comparison: Comparison) -> Iterator[tuple[str, list[str]]]:
    """Yield key and a text for each run, of each setting that differs."""
    for key, values in comparison.differing.items():
        yield key, [setting_text(value) for value in values]
