"""The model's answers to sample pages before, during and after training, and the run's warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from deepsynth_tui.page_thumbnail import fit_thumbnail
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.state import RunState, Sample, WarningCount
from deepsynth_tui.tui.widgets.label_grid import label_grid

MAX_TEXT_LENGTH = 600
"""Characters shown of a text."""
LAST_OUTPUTS = 3
"""Outputs shown for an input besides the first; every evaluation adds one."""
ANSWERS_WIDTH = 30
"""Columns needed to show answers beside a page; in a narrower pane the page is below them."""
GAP = 2


class SamplePane(VerticalScroll):
    """Samples grouped by input, the newest output last, and warnings below them."""

    DEFAULT_CSS = """
    SamplePane {
        height: 1fr;
        scrollbar-size: 0 1;
        scrollbar-background: $background;
        scrollbar-color: $panel;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Static()
        self._state = RunState()
        self._width = 0

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, state: RunState) -> None:
        """Show the samples and warnings of a run."""
        before, self._state = self._state, state
        if (before.samples, before.warnings) != (state.samples, state.warnings):
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        if self._width != self.scrollable_content_region.width:
            self._draw()

    def _draw(self) -> None:
        self._width = self.scrollable_content_region.width
        self._text.update(_content(self._state.samples, self._state.warnings, self._width))


def shorten(text: str) -> str:
    """Return a text as one printable paragraph of at most `MAX_TEXT_LENGTH` characters."""
    paragraph = sanitize(" ".join(text.split()))
    if len(paragraph) <= MAX_TEXT_LENGTH:
        return paragraph
    return f"{paragraph[:MAX_TEXT_LENGTH]}…"


def _content(samples: Sequence[Sample], warnings: Sequence[WarningCount], width: int) -> Group:
    parts: list[Text | Table] = [Text("samples", "bold")]
    if not samples:
        parts.append(Text("The model answers before and after training.", "dim"))
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.input, []).append(sample)
    for group in groups.values():
        parts += [*_answers_and_page(group, width), Text()]
    if warnings:
        rows = (("!", _warning(warning)) for warning in warnings)
        parts += [Text("warnings", "bold"), label_grid(rows)]
    return Group(*parts)


def _answers_and_page(group: Sequence[Sample], width: int) -> Iterator[Text | Table]:
    """Yield a page and the answers to it, side by side where the pane is wide enough."""
    answers = label_grid(_answers(group))
    page = next((sample.page for sample in group if sample.page), ())
    thumbnail = _thumbnail(page, width)
    if not thumbnail:
        yield answers
    elif len(thumbnail[0]) + GAP + ANSWERS_WIDTH <= width:
        grid = Table.grid(padding=(0, GAP))
        grid.add_column(width=len(thumbnail[0]), no_wrap=True)
        grid.add_column(ratio=1)
        grid.expand = True
        grid.add_row(Text("\n".join(thumbnail)), answers)
        yield grid
    else:
        yield answers
        yield Text("\n".join(thumbnail), no_wrap=True)


# Cached: every evaluation redraws the same pages, and a dense page takes 15 ms to shrink.
@lru_cache(maxsize=32)
def _thumbnail(page: tuple[str, ...], width: int) -> tuple[str, ...]:
    return tuple(fit_thumbnail([sanitize(line) for line in page], width))


def _answers(group: Sequence[Sample]) -> Iterator[tuple[str, str | Text]]:
    yield "input", Text(_or_empty(group[0].input), "dim")
    yield "target", _or_empty(group[0].target)
    omitted = max(0, len(group) - 1 - LAST_OUTPUTS)
    for index, sample in enumerate(group):
        if index == 1 and omitted:
            yield "…", Text(f"{omitted} more in events.jsonl", "dim")
        if 0 < index <= omitted:
            continue
        label = sample.when if sample.step is None else f"step {sample.step}"
        output = Text(_or_empty(sample.output), "bold" if sample.when == "after" else "")
        yield label, output.append(" (cut: it did not end)", "dim") if sample.is_cut else output


def _or_empty(text: str) -> str:
    return shorten(text) or "(empty)"


def _warning(warning: WarningCount) -> str:
    times = f" ({warning.count} times)" if warning.count > 1 else ""
    return f"{shorten(warning.message)}{times}"
