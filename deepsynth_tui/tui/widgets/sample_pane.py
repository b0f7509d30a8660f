"""What the model made of pages before, during and after training, and the run's warnings."""

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
from deepsynth_tui.runs.console import clean
from deepsynth_tui.runs.state import RunState, Sample, WarningCount
from deepsynth_tui.tui.widgets.label_grid import pairs

LONGEST_TEXT = 600
"""Characters shown of one text."""
LAST_OUTPUTS = 3
"""Outputs shown of one input besides the first: every evaluation adds one."""
ANSWERS = 30
"""Columns that answers need beside a page; where there are fewer it stands below them."""
GAP = 2


class SamplePane(VerticalScroll):
    """Samples grouped by their input, the newest output last."""

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
        """One text, which scrolls."""
        yield self._text

    def show(self, state: RunState) -> None:
        """Show the samples and warnings in `state`."""
        before, self._state = self._state, state
        if (before.samples, before.warnings) != (state.samples, state.warnings):
            self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Pages are drawn for the width there is."""
        if self._width != self.scrollable_content_region.width:
            self._draw()

    def _draw(self) -> None:
        self._width = self.scrollable_content_region.width
        self._text.update(_text(self._state.samples, self._state.warnings, self._width))


def _text(samples: Sequence[Sample], warnings: Sequence[WarningCount], width: int) -> Group:
    parts: list[Text | Table] = [Text("samples", "bold")]
    if not samples:
        parts.append(Text("The model answers before and after training.", "dim"))
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.input, []).append(sample)
    for group in groups.values():
        parts += [*_beside_page(group, width), Text()]
    if warnings:
        parts += [Text("warnings", "bold"), pairs(("!", _warning(warned)) for warned in warnings)]
    return Group(*parts)


def _beside_page(group: Sequence[Sample], width: int) -> Iterator[Text | Table]:
    """Yield a page and what was answered to it, side by side where both have room."""
    answers = pairs(_sample(group))
    page = next((sample.page for sample in group if sample.page), ())
    drawn = _drawn(page, width)
    if not drawn:
        yield answers
    elif len(drawn[0]) + GAP + ANSWERS <= width:
        grid = Table.grid(padding=(0, GAP))
        grid.add_column(width=len(drawn[0]), no_wrap=True)
        grid.add_column(ratio=1)
        grid.expand = True
        grid.add_row(Text("\n".join(drawn)), answers)
        yield grid
    else:
        yield answers
        yield Text("\n".join(drawn), no_wrap=True)


# Every evaluation draws the pane anew, with the same pages: a dense one takes 15 ms to shrink.
@lru_cache(maxsize=32)
def _drawn(page: tuple[str, ...], width: int) -> tuple[str, ...]:
    return tuple(fit_thumbnail([clean(line) for line in page], width))


def _sample(group: Sequence[Sample]) -> Iterator[tuple[str, str | Text]]:
    yield "input", Text(_or_nothing(group[0].input), "dim")
    yield "target", _or_nothing(group[0].target)
    left_out = max(0, len(group) - 1 - LAST_OUTPUTS)
    for place, sample in enumerate(group):
        if place == 1 and left_out:
            yield "…", Text(f"{left_out} more are in events.jsonl", "dim")
        if 0 < place <= left_out:
            continue
        when = sample.when if sample.step is None else f"step {sample.step}"
        yield when, Text(_or_nothing(sample.output), "bold" if sample.when == "after" else "")


def _or_nothing(text: str) -> str:
    return short(text) or "(nothing)"


def _warning(warned: WarningCount) -> str:
    times = f" ({warned.count} times)" if warned.count > 1 else ""
    return f"{short(warned.message)}{times}"


def short(text: str) -> str:
    """`text` in one printable paragraph, cut where it is long."""
    flat = clean(" ".join(text.split()))
    return flat if len(flat) <= LONGEST_TEXT else f"{flat[:LONGEST_TEXT]}…"
