"""What is known of an adapter, with a bar for the update of each layer."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.run_view.adapter_rows import entry_lines
from deepsynth_tui.tui.widgets.curves import bar
from deepsynth_tui.tui.widgets.label_grid import label_grid
from deepsynth_tui.workflows.adapter_look import AdapterDetails, AdapterEntry, LayerNorm

MIN_BAR, MAX_BAR = 6, 32
"""Columns of the bar of a layer."""
NORM_WIDTH = 9
GAPS = 8
"""Columns between label, bar, norm and rank."""


class AdapterPane(VerticalScroll):
    """The details of one adapter, or why they are not there."""

    DEFAULT_CSS = """
    AdapterPane {
        padding: 0 1;
        scrollbar-size: 0 1;
        scrollbar-background: $background;
        scrollbar-color: $panel;
    }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Static(markup=False)
        self._entry: AdapterEntry | None = None
        self._details: AdapterDetails | None = None
        self._problem = ""

    def compose(self) -> ComposeResult:
        yield self._text

    def show(
        self, entry: AdapterEntry | None, details: AdapterDetails | None = None, problem: str = ""
    ) -> None:
        """Show an adapter. Without `details` these are being read, or cannot be: `problem`."""
        if (entry, details, problem) == (self._entry, self._details, self._problem):
            return
        if entry != self._entry:
            self.scroll_home(animate=False)
        self._entry, self._details, self._problem = entry, details, problem
        self._draw()

    def on_mount(self) -> None:
        """Draw again when the theme changes, whose colour the bars have."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self, event: events.Resize) -> None:
        """Fit the bars into the new width."""
        self._draw()

    def _draw(self) -> None:
        if self._entry is None:
            self._text.update("")
        elif self._details is not None:
            width = self.scrollable_content_region.width
            colour = self.app.theme_variables["primary"]
            self._text.update(label_grid(details_lines(self._details, width, colour)))
        else:
            lines = list(entry_lines(self._entry))
            if self._problem:
                lines.append(("Problem", sanitize(self._problem)))
            elif not self._entry.problem:
                lines.append(("", "reading its files …"))
            self._text.update(label_grid(lines))


def details_lines(
    details: AdapterDetails, width: int, colour: str
) -> Iterator[tuple[str, str | Text]]:
    """Yield what is known of an adapter, each with its label, then a bar for each layer."""
    yield from ((label, sanitize(value)) for label, value in details.facts.items())
    yield from (("Exam", sanitize(line.removeprefix("Exam on "))) for line in details.exams)
    yield from (("!", sanitize(remark)) for remark in details.remarks)
    if not details.layers:
        return
    yield "", ""
    yield "layer", Text("norm of the update, and rank used", "dim")
    largest = max(layer.norm for layer in details.layers)
    labels = max(map(len, (*details.facts, *(layer.label for layer in details.layers))))
    ranks = max(len(_rank(layer)) for layer in details.layers)
    columns = max(MIN_BAR, min(MAX_BAR, width - labels - NORM_WIDTH - ranks - GAPS))
    for layer in details.layers:
        text = Text(bar(layer.norm / largest if largest else 0.0, columns), colour, no_wrap=True)
        text.append(f" {layer.norm:>{NORM_WIDTH}.4g}  {_rank(layer)}", "default")
        yield sanitize(layer.label), text


def _rank(layer: LayerNorm) -> str:
    return f"{layer.used} of {layer.rank}"
