"""Runs beside each other: curves, figures, and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from deepsynth_tui.errors import UserError
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.calm_screen import CalmScreen
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.overlay_chart import NamedCurve, OverlayChart, letter

if TYPE_CHECKING:
    from deepsynth_tui.workflows.comparison.compare import Comparison

CURVE = "loss"


class CompareScreen(ReportsWorkerErrors, CalmScreen[None]):
    """Compares runs as they are now; a thread reads them."""

    CSS_PATH = "compare.tcss"
    BINDINGS = bindings("compare")

    @dataclass
    class Compared(Message):
        """The runs were read."""

        comparison: Comparison

    @dataclass
    class Failed(Message):
        """The runs cannot be compared."""

        reason: str

    def __init__(self, runs: Sequence[RunDirectory]) -> None:
        super().__init__()
        self._runs = tuple(runs)

    def compose(self) -> ComposeResult:
        yield ModeBar("runs")
        yield OverlayChart(id="chart")
        with VerticalScroll(id="tables"):
            yield Static(f"Reading {len(self._runs)} runs …", id="comparison")
        yield DiffedFooter()

    def on_mount(self) -> None:
        chart = self.query_one(OverlayChart)
        chart.border_title, chart.display = CURVE, False  # until there are curves
        self.query_one("#tables").focus()
        self._compare()

    @work(thread=True, exit_on_error=False, group="compare")
    def _compare(self) -> None:
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.workflows.comparison.compare import compare_runs

        try:
            self.post_message(self.Compared(compare_runs(self._runs)))
        except UserError as error:
            self.post_message(self.Failed(str(error)))

    @on(Compared)
    def _show(self, event: Compared) -> None:
        comparison = event.comparison
        chart = self.query_one(OverlayChart)
        chart.display = CURVE in comparison.curve_names()
        chart.curves = tuple(
            NamedCurve(
                label, [(point.step, point.value) for point in run.curves.points.get(CURVE, ())]
            )
            for label, run in zip(comparison.labels(), comparison.runs, strict=True)
        )
        self.query_one("#comparison", Static).update(comparison_text(comparison))

    @on(Failed)
    def _close_with_error(self, event: Failed) -> None:
        self.notify(event.reason, title="Not compared", severity="error", markup=False)
        self.dismiss()

    def action_log_scale(self) -> None:
        """Show the curves on a logarithmic or a linear scale."""
        chart = self.query_one(OverlayChart)
        chart.log_scale = not chart.log_scale


def comparison_text(comparison: Comparison) -> Group:
    """Return the figures of the runs, the best of each in bold with a star, then the settings that
    differ, and notes."""
    from deepsynth_tui.config.fields import as_text
    from deepsynth_tui.workflows.comparison.figures import FIGURES

    figures = _table(comparison, "")
    states = [STATE_LABELS[run.state].text for run in comparison.runs]  # type: ignore[index]
    figures.add_row("state", *states)
    for name in comparison.shown_figures():
        kind, best = FIGURES[name], comparison.best(name)
        cells = [
            Text("n/a", "dim")
            if name not in run.figures
            else Text(f"{kind.format(run.figures[name])} *", "bold")
            if index in best
            else Text(kind.format(run.figures[name]))
            for index, run in enumerate(comparison.runs)
        ]
        figures.add_row(kind.label, *cells)
    parts: list[RenderableType] = [figures, Text()]
    if comparison.differing:
        settings = _table(comparison, "settings that differ")
        for key, values in comparison.differing.items():
            settings.add_row(key, *(Text(sanitize(as_text(value) or "none")) for value in values))
        parts.append(settings)
    equal = f"{comparison.equal} settings are the same"
    parts.append(Text(equal if comparison.differing else f"No setting differs: {equal}", "dim"))
    parts += [Text(f"! {sanitize(note)}", "dim") for note in comparison.notes]
    return Group(*parts)


def _table(comparison: Comparison, title: str) -> Table:
    table = Table(box=None, expand=True, pad_edge=False)
    table.add_column(Text(title, "bold"), style="dim", no_wrap=True)
    for index, label in enumerate(comparison.labels()):
        table.add_column(
            Text(f"{letter(index)} {sanitize(label)}", "bold"), overflow="fold", ratio=1
        )
    return table
