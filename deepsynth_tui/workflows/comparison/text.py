"""A comparison as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from deepsynth_tui.workflows.comparison.cells import figure_rows, setting_rows, shown_text
from deepsynth_tui.workflows.comparison.compare import Comparison

MAX_COLUMN = 28
BEST = " *"


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """Yield runs, figures and differing settings, a column per run; `*` marks the best value."""
    labels = [shown_text(label) for label in comparison.labels()]
    figures = [
        (label, [f"{text}{BEST if i in best else ''}" for i, text in enumerate(texts)])
        for label, texts, best in figure_rows(comparison)
    ]
    states = [shown_text(run.state) for run in comparison.runs]
    rows = [("state", states), *figures]
    settings = list(setting_rows(comparison))
    first = max((cell_len(label) for label, _ in (*rows, *settings)), default=0)
    cells = [labels, *(texts for _, texts in rows), *(texts for _, texts in settings)]
    widths = [
        min(MAX_COLUMN, max(cell_len(row[column]) for row in cells))
        for column in range(len(comparison.runs))
    ]
    yield _row("", labels, first, widths)
    yield from (_row(label, texts, first, widths) for label, texts in rows)
    yield ""
    if settings:
        yield f"Settings that differ ({comparison.equal} are equal)"
        yield from (_row(key, texts, first, widths) for key, texts in settings)
    else:
        yield f"All {comparison.equal} settings are equal"
    if comparison.notes:
        yield ""
        yield from (f"note: {shown_text(note)}" for note in comparison.notes)


def _row(label: str, texts: Sequence[str], first: int, widths: Sequence[int]) -> str:
    cells = (_fit(text, width) for text, width in zip(texts, widths, strict=True))
    return f"{set_cell_size(label, first)}  {'  '.join(cells)}".rstrip()


def _fit(text: str, width: int) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)
